// A photograph as `cobasis predict` prepares it: its shorter side resized, the square in the middle cut out.
"use strict";

/** Pixels that are read of an image at most; larger ones are made smaller by the browser first. */
const MOST = 4_000_000;

/**
 * The square of an image of the browser's: [size, size] pixels of red, green and blue from 0 to 1, as three planes.
 * `preparation` is what the model's file says under "images".
 */
function square(image, { size, resize }) {
  const { width, height, data } = pixels(image);
  const scale = Math.min(width, height) / resize;
  const whole = (length) => (length / scale < resize + 1e-6 ? resize : Math.floor(length / scale + 1e-6));
  const start = (length) => Math.round((whole(length) - size) / 2);
  const columns = weights(width, width / whole(width), start(width), size);
  const rows = weights(height, height / whole(height), start(height), size);
  const planes = new Float32Array(3 * size * size);
  // The lines that are needed, made narrow; then all of them, made low.
  const lines = new Map();
  const line = (row) => {
    if (!lines.has(row)) {
      const narrow = new Float32Array(3 * size);
      columns.forEach(({ first, values }, x) => {
        values.forEach((value, i) => {
          const at = 4 * (row * width + first + i);
          for (let channel = 0; channel < 3; channel++) {
            narrow[channel * size + x] += value * data[at + channel];
          }
        });
      });
      lines.set(row, narrow);
    }
    return lines.get(row);
  };
  rows.forEach(({ first, values }, y) => {
    values.forEach((value, i) => {
      const narrow = line(first + i);
      for (let channel = 0; channel < 3; channel++) {
        for (let x = 0; x < size; x++) {
          planes[(channel * size + y) * size + x] += value * narrow[channel * size + x];
        }
      }
    });
  });
  // Files have bytes, and so has what networks are trained on.
  return planes.map((value) => Math.min(Math.max(Math.round(value), 0), 255) / 255);
}

/** The bytes of an image, red, green, blue and opacity. */
function pixels(image) {
  const [wide, high] = [image.naturalWidth || image.width, image.naturalHeight || image.height];
  if (!wide || !high) throw new Error("the image has no pixels");
  const scale = Math.min(1, Math.sqrt(MOST / (wide * high)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(wide * scale));
  canvas.height = Math.max(1, Math.round(high * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** What `count` pixels of a resized line, from one on, are made of: a triangle around each, as wide as the scale. */
function weights(length, scale, start, count) {
  const radius = Math.max(scale, 1);
  return Array.from({ length: count }, (_, i) => {
    const middle = (start + i + 0.5) * scale;
    const first = Math.max(Math.floor(middle - radius + 0.5), 0);
    const last = Math.min(Math.floor(middle + radius + 0.5), length);
    const values = [];
    for (let pixel = first; pixel < last; pixel++) {
      values.push(Math.max(1 - Math.abs(pixel + 0.5 - middle) / radius, 0));
    }
    const sum = values.reduce((a, b) => a + b, 0);
    return { first, values: values.map((value) => value / sum) };
  });
}
