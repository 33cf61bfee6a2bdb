// Deployed networks in JavaScript: the exports of cobasis-web, with errors as exceptions.
"use strict";

/** The version of the exports that this file is written for. */
const INTERFACE = 1;

/** The WebAssembly module, from its bytes. */
async function startRuntime(bytes) {
  const { instance } = await WebAssembly.instantiate(bytes, {});
  const version = instance.exports.interface();
  if (version !== INTERFACE) {
    throw new Error(`the module has interface ${version}, and the page needs ${INTERFACE}`);
  }
  return instance.exports;
}

// ANCHOR: network
/** A network of a deployed file. */
class Network {
  /** Of the bytes of what `cobasis deploy` writes; throws an Error that says what is wrong with them. */
  constructor(runtime, bytes) {
    this.runtime = runtime;
    this.write(bytes);
    this.number = runtime.load();
    if (this.number === 0) throw this.error();
    this.channels = runtime.channels(this.number);
  }

  /** What the file says of itself under a word, such as "model" or "images"; null if it says nothing. */
  metadata(word) {
    this.write(new TextEncoder().encode(word));
    return this.runtime.metadata(this.number) ? this.text() : null;
  }

  /** The output for images, a Float32Array [batch, channels, height, width], as a Float32Array. */
  run(images, [batch, channels, height, width]) {
    const at = this.runtime.room_for_images(images.length);
    if (at === 0) throw this.error();
    // Memory that grew has another buffer: it is asked for after each call.
    new Float32Array(this.runtime.memory.buffer, at, images.length).set(images);
    const length = this.runtime.run(this.number, batch, channels, height, width);
    if (length === 0) throw this.error();
    return new Float32Array(this.runtime.memory.buffer, this.runtime.output(), length).slice();
  }

  /** Gives its memory back. */
  unload() {
    this.runtime.unload(this.number);
  }

  write(bytes) {
    const at = this.runtime.room_for_bytes(bytes.length);
    if (at === 0) throw this.error();
    new Uint8Array(this.runtime.memory.buffer, at, bytes.length).set(bytes);
  }

  text() {
    const { memory, text, text_length } = this.runtime;
    return new TextDecoder().decode(new Uint8Array(memory.buffer, text(), text_length()));
  }

  error() {
    return new Error(this.text());
  }
}
// ANCHOR_END: network
