// The image that the network in use is shown: a drawing, or a photograph.
"use strict";

/** Width of the pen, in pixels of the drawing. */
const PEN = 22;

/** Digits as strokes: points from 0 to 1, across and down. */
const EXAMPLES = [
  [circle(0.5, 0.5, 0.22, 0.32, -90, 270)],
  [[[0.42, 0.3], [0.52, 0.2], [0.52, 0.8]]],
  [[...circle(0.5, 0.34, 0.18, 0.16, 180, 380), [0.32, 0.8], [0.7, 0.8]]],
  [[...circle(0.48, 0.34, 0.18, 0.15, 200, 440), ...circle(0.48, 0.65, 0.2, 0.17, -80, 160)]],
  [[[0.4, 0.2], [0.3, 0.56], [0.68, 0.56]], [[0.62, 0.24], [0.56, 0.84]]],
  [[[0.38, 0.2], [0.35, 0.47], ...circle(0.48, 0.62, 0.19, 0.19, -110, 150)], [[0.38, 0.2], [0.68, 0.19]]],
  [[[0.58, 0.18], [0.44, 0.34], [0.35, 0.58], ...circle(0.5, 0.66, 0.16, 0.16, 190, 540)]],
  [[[0.3, 0.22], [0.7, 0.22], [0.46, 0.82]]],
  [[...circle(0.5, 0.34, 0.14, 0.15, 90, -270), ...circle(0.5, 0.65, 0.17, 0.17, -90, 270)]],
  [[...circle(0.5, 0.36, 0.16, 0.16, 0, -360), [0.65, 0.4], [0.62, 0.6], [0.56, 0.82]]],
];

/** The points of a part of an ellipse, from an angle to another, in degrees clockwise from the right. */
function circle(x, y, wide, high, from, to) {
  const steps = Math.ceil(Math.abs(to - from) / 15);
  return Array.from({ length: steps + 1 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / steps) * Math.PI) / 180;
    return [x + wide * Math.cos(angle), y + high * Math.sin(angle)];
  });
}

/** The ink of the drawing, from 0 to 1. */
function ink() {
  const { width, height } = at("paper");
  const { data } = brush().getImageData(0, 0, width, height);
  return Float32Array.from({ length: width * height }, (_, i) => data[4 * i + 3] / 255);
}

function brush() {
  return at("paper").getContext("2d", { willReadFrequently: true });
}

/** Draws a stroke through points in pixels of the drawing. */
function stroke(points) {
  const context = brush();
  context.lineWidth = PEN;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...points[0]);
  // A point alone is a line of no length, which the round ends make a dot.
  for (const point of points.length > 1 ? points.slice(1) : points) context.lineTo(...point);
  context.stroke();
}

/** Fills the drawing with an image of so many pixels across: their ink, from 0 to 1. */
function paint(values, across) {
  clear();
  const down = values.length / across;
  const small = Object.assign(document.createElement("canvas"), { width: across, height: down });
  const image = new ImageData(across, down);
  values.forEach((value, i) => (image.data[4 * i + 3] = Math.round(255 * value)));
  small.getContext("2d").putImageData(image, 0, 0);
  brush().drawImage(small, 0, 0, at("paper").width, at("paper").height);
  look();
}

/** Empties the paper and forgets the photograph. */
function clear() {
  brush().clearRect(0, 0, at("paper").width, at("paper").height);
  page.photo = null;
  at("shown").hidden = true;
  look();
}

/** Draws one of the examples. */
function draw(example) {
  clear();
  const { width } = at("paper");
  for (const points of EXAMPLES[example]) stroke(points.map(([x, y]) => [x * width, y * width]));
  look();
}

/** Shows the network a photograph: an image of the browser's. */
function show(image) {
  page.photo = image;
  const [wide, high] = [image.naturalWidth || image.width, image.naturalHeight || image.height];
  const scale = Math.min(1, 600 / Math.max(wide, high));
  const canvas = at("shown");
  canvas.width = Math.max(1, Math.round(wide * scale));
  canvas.height = Math.max(1, Math.round(high * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.hidden = false;
  look();
}

/** The image for the network in use, with as many planes as it takes, from 0 to 1; null if there is none. */
function image({ input, network, preparation }) {
  if (input === "drawing") return digit(ink(), at("paper").width);
  if (!page.photo) return null;
  const planes = square(page.photo, preparation);
  if (network.channels === 3) return planes;
  const area = preparation.size ** 2;
  const [red, green, blue] = [0, 1, 2].map((channel) => planes.subarray(channel * area));
  // Brightness as in ITU-R BT.601.
  return planes.slice(0, area).map((_, i) => 0.299 * red[i] + 0.587 * green[i] + 0.114 * blue[i]);
}

/** Shows what the network gets. */
function preview(values, { network, preparation: { size } }) {
  at("seen").hidden = !values;
  if (!values) return;
  const canvas = Object.assign(at("view"), { width: size, height: size });
  const shown = new ImageData(size, size);
  for (let i = 0; i < size * size; i++) {
    for (let channel = 0; channel < 3; channel++) {
      shown.data[4 * i + channel] = 255 * values[(network.channels === 3 ? channel : 0) * size * size + i];
    }
    shown.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(shown, 0, 0);
}
