// A drawing as MNIST's digits are: the ink, 20 pixels long, around its centre of mass.
"use strict";

/** Side of the square that the longer side of the ink is scaled to, and of the image around it. */
const INK = 20;
const FIELD = 28;

/**
 * The ink of a square drawing, an array of side² numbers from 0 to 1, as an image of 28 × 28 numbers from 0 to 1;
 * null where there is none.
 */
function digit(ink, side) {
  let [left, top, right, bottom] = [side, side, -1, -1];
  let [mass, across, down] = [0, 0, 0];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const value = ink[y * side + x];
      if (value === 0) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
      mass += value;
      across += value * (x + 0.5);
      down += value * (y + 0.5);
    }
  }
  if (mass === 0) return null;
  // Pixels of the drawing for one of the image, whose middle is the centre of mass.
  const scale = Math.max(right - left + 1, bottom - top + 1) / INK;
  const middle = { x: across / mass, y: down / mass };
  const image = new Float32Array(FIELD * FIELD);
  for (let y = 0; y < FIELD; y++) {
    const rows = span(middle.y + (y - FIELD / 2) * scale, scale, side);
    for (let x = 0; x < FIELD; x++) {
      const columns = span(middle.x + (x - FIELD / 2) * scale, scale, side);
      let sum = 0;
      for (const [row, height] of rows) {
        for (const [column, width] of columns) sum += height * width * ink[row * side + column];
      }
      image[y * FIELD + x] = sum / (scale * scale);
    }
  }
  return image;
}

/** The pixels that a length from a place on covers, each with how much of it. */
function span(start, length, side) {
  const covered = [];
  const end = Math.min(start + length, side);
  for (let pixel = Math.max(Math.floor(start), 0); pixel < end; pixel++) {
    covered.push([pixel, Math.min(pixel + 1, end) - Math.max(pixel, start)]);
  }
  return covered;
}
