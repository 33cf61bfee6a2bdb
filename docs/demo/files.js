// What a deployed file says of itself, in its header; and dense networks of which only the header is kept.
"use strict";

/** The bytes of a text in base 64. */
function decode(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** The tensors of a safetensors file by name, and where their bytes begin and end. */
function header(bytes) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const { __metadata__: metadata, ...tensors } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, 8 + length)),
  );
  const ends = Object.values(tensors).map((tensor) => tensor.data_offsets[1]);
  return { tensors, start: 8 + length, end: 8 + length + Math.max(0, ...ends) };
}

/** The numbers in all tensors of a file. */
function parameters(bytes) {
  const count = ({ shape }) => shape.reduce((product, side) => product * side, 1);
  return Object.values(header(bytes).tensors).reduce((sum, tensor) => sum + count(tensor), 0);
}

/**
 * A file of which there is only the header, with arbitrary weights: as long as the trained one, and computed in
 * the same time.
 */
function arbitrary(head) {
  const { tensors, start, end } = header(head);
  const bytes = new Uint8Array(end);
  bytes.set(head.subarray(0, start));
  const view = new DataView(bytes.buffer);
  let state = 1;
  for (const { dtype, shape, data_offsets: [first, last] } of Object.values(tensors)) {
    if (dtype !== "F32") throw new Error(`weights of the type ${dtype}`);
    // As for training: outputs are about as large as inputs.
    const inputs = shape.slice(1).reduce((product, side) => product * side, 1);
    const size = shape.length > 1 ? Math.sqrt(6 / inputs) : 0.01;
    for (let at = start + first; at < start + last; at += 4) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      view.setFloat32(at, size * (state / 2 ** 31 - 1), true);
    }
  }
  return bytes;
}
