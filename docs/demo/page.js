// The page: networks, what they are shown, and what they say.
"use strict";

/** The networks of networks.js, and of 10,000 test images the percentage that each and its dense counterpart get right. */
const NETWORKS = {
  digits: { title: "Handwritten digits", input: "drawing", accuracy: 99.43, dense: undefined },
  cifar10: { title: "Small photographs", input: "photo", accuracy: undefined, dense: undefined },
};
/** Width of the pen, in pixels of the drawing. */
const PEN = 22;
/** How long networks are timed, in milliseconds, and for how many images at most. */
const TIMED = 40;
const MOST_RUNS = 200;
/** Classes that are shown at most. */
const SHOWN = 10;

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

const at = (id) => document.getElementById(id);

/** What is there: the module, networks by name, the one in use, and the image that it was shown last. */
const page = { runtime: null, networks: {}, current: null, image: null, photo: null, example: 0, timer: 0 };

/** The points of a part of an ellipse, from an angle to another, in degrees clockwise from the right. */
function circle(x, y, wide, high, from, to) {
  const steps = Math.ceil(Math.abs(to - from) / 15);
  return Array.from({ length: steps + 1 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / steps) * Math.PI) / 180;
    return [x + wide * Math.cos(angle), y + high * Math.sin(angle)];
  });
}

// ---- Networks

/** A network of a file's bytes, and what the page tells of it. */
function open(bytes, known) {
  const network = new Network(page.runtime, bytes);
  try {
    if (JSON.parse(network.metadata("plan")).boxes) {
      throw new Error("the file has a detector: this page shows classes, no boxes");
    }
    const text = network.metadata("images");
    if (text === null) throw new Error("the file does not say how images are prepared for it");
    const preparation = JSON.parse(text);
    const name = network.metadata("model") ?? "network";
    const drawn = network.channels === 1 && preparation.dataset === "mnist" && preparation.size === FIELD;
    return {
      name,
      network,
      preparation,
      input: known?.input ?? (drawn ? "drawing" : "photo"),
      bytes: bytes.length,
      parameters: parameters(bytes),
      accuracy: known?.accuracy,
    };
  } catch (error) {
    network.unload();
    throw error;
  }
}

/** Uses the network of this name. */
function choose(name) {
  const entry = (page.networks[name] ??= load(name));
  page.current = entry;
  const { own, dense } = entry;
  at("drawing").hidden = own.input !== "drawing";
  at("example").hidden = own.input !== "drawing";
  at("photo").hidden = own.input !== "photo";
  at("own-name").textContent = dense ? "shared" : "this one";
  for (const cell of document.querySelectorAll(".dense")) cell.hidden = !dense;
  at("own-parameters").textContent = number(own.parameters);
  at("own-bytes").textContent = number(own.bytes);
  at("accuracies").hidden = !own.accuracy;
  at("own-accuracy").textContent = accuracy(own.accuracy);
  if (dense) {
    at("dense-parameters").textContent = number(dense.parameters);
    at("dense-bytes").textContent = number(dense.bytes);
    at("dense-accuracy").textContent = accuracy(dense.accuracy);
  }
  at("note").textContent = dense
    ? `${own.name} and ${dense.name}, which is timed with arbitrary weights: they take as long as trained ones.`
    : own.name;
  list(own);
  look();
  time();
  // By then the browser has compiled again what it computes often.
  clearTimeout(page.timer);
  page.timer = setTimeout(time, 1000);
}

/** A network of networks.js and its dense counterpart. */
function load(name) {
  const { file, dense } = FILES[name];
  const known = NETWORKS[name];
  return { own: open(decode(file), known), dense: open(arbitrary(decode(dense)), { accuracy: known.dense }) };
}

/** Uses the network of a file that somebody opened. */
function openNetwork(bytes, name) {
  const own = open(bytes);
  // The one before is not needed any more.
  page.networks[""]?.own.network.unload();
  page.networks[""] = { own };
  offer("", name);
  at("network-").checked = true;
  choose("");
}

/** A radio button for a network. */
function offer(name, title) {
  const id = `network-${name}`;
  at(id)?.closest("label").remove();
  const button = Object.assign(document.createElement("input"), { type: "radio", name: "network", id });
  button.addEventListener("change", guarded(() => choose(name)));
  const label = document.createElement("label");
  label.append(button, title);
  at("networks").append(label);
}

// ---- Images

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

// ---- What comes of it

/** Shows the network in use the image that there is, and its answer. */
function look() {
  const { own } = page.current ?? {};
  if (!own) return;
  const values = image(own);
  preview(values, own);
  page.image = values;
  if (!values) return answer(own, null);
  answer(own, softmax(own.network.run(normalised(values, own), shape(own))));
}

function shape({ network, preparation: { size } }) {
  return [1, network.channels, size, size];
}

/** `(v - mean) / std`, plane by plane. */
function normalised(values, { preparation: { mean, std, size } }) {
  return values.map((value, i) => {
    const channel = Math.floor(i / (size * size));
    return (value - mean[channel]) / std[channel];
  });
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** Rows for as many classes as are shown. */
function list({ network, preparation: { classes, size } }) {
  const empty = new Float32Array(network.channels * size * size);
  const count = network.run(empty, [1, network.channels, size, size]).length;
  const row = () => {
    const item = document.createElement("li");
    item.append(document.createElement("span"), document.createElement("span"));
    return item;
  };
  at("classes").replaceChildren(...Array.from({ length: Math.min(count, SHOWN) }, row));
}

/** Writes the probabilities: of all classes in their order, or of the best where there are many. */
function answer({ input, preparation: { classes } }, probabilities) {
  const name = (label) => classes[label] ?? `class ${label}`;
  const rows = [...at("classes").children];
  const all = probabilities ?? rows.map(() => 0);
  let labels = all.map((_, label) => label);
  const best = labels.reduce((best, label) => (all[label] > all[best] ? label : best), 0);
  if (labels.length > SHOWN) labels = labels.sort((a, b) => all[b] - all[a]).slice(0, SHOWN);
  rows.forEach((row, i) => {
    const label = labels[i];
    row.classList.toggle("best", Boolean(probabilities) && label === best);
    row.style.setProperty("--share", all[label]);
    row.children[0].textContent = name(label);
    row.children[1].textContent = probabilities ? percent(100 * all[label]) : "";
  });
  const asked = input === "drawing" ? "Draw a digit" : "Open an image";
  const text = probabilities ? name(best) : asked;
  // Screen readers say it once.
  if (at("answer").textContent !== text) at("answer").textContent = text;
}

/** Times the network in use and its dense counterpart, in turns. */
function time() {
  const { own, dense } = page.current;
  const entries = dense ? [own, dense] : [own];
  const values = page.image ?? new Float32Array(own.network.channels * own.preparation.size ** 2);
  const images = normalised(values, own);
  const run = ({ network }) => network.run(images, shape(own));
  entries.forEach(run);
  const times = entries.map((entry) => {
    let [runs, started, spent] = [0, performance.now(), 0];
    // Clocks of browsers are coarse: many runs are timed together.
    do {
      run(entry);
      spent = performance.now() - started;
    } while (++runs < MOST_RUNS && spent < TIMED);
    return spent / runs;
  });
  at("own-ms").textContent = milliseconds(times[0]);
  at("dense-ms").textContent = dense ? milliseconds(times[1]) : "";
}

const number = (value) => value.toLocaleString("en");
const percent = (value) => (value < 0.05 ? "< 0.1 %" : value > 99.95 ? "> 99.9 %" : `${value.toFixed(1)} %`);
const accuracy = (value) => (value === undefined ? "" : `${value.toFixed(2)} %`);
// A clock that has not moved, as browsers have that hide it, has measured nothing.
const milliseconds = (value) => (value === 0 ? "?" : value.toFixed(value < 10 ? 2 : 1));

// ---- What people do

/** A function that shows what goes wrong in this one instead of stopping. */
function guarded(job) {
  return async (...inputs) => {
    at("problem").hidden = true;
    try {
      await job(...inputs);
    } catch (error) {
      // A module that broke off keeps what it was at: only a new one goes on.
      const broken = error instanceof WebAssembly.RuntimeError;
      at("problem").textContent = broken ? `The module stopped (${error.message}). Load the page again.` : error.message;
      at("problem").hidden = false;
    }
  };
}

/** Opens a file: a network by its name, or an image. */
async function openFile(file) {
  if (file.name.endsWith(".safetensors")) {
    openNetwork(new Uint8Array(await file.arrayBuffer()), file.name);
    return;
  }
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    throw new Error(`${file.name} is no image that this browser can read`);
  }
  if (page.current.own.input === "drawing") {
    at("network-cifar10").checked = true;
    choose("cifar10");
  }
  show(image);
  URL.revokeObjectURL(image.src);
  time();
}

function listen() {
  const paper = at("paper");
  const place = (event) => {
    const box = paper.getBoundingClientRect();
    const scale = paper.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  let last = null;
  paper.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    paper.setPointerCapture(event.pointerId);
    last = place(event);
    stroke([last]);
    look();
  });
  paper.addEventListener("pointermove", (event) => {
    if (!last) return;
    const events = event.getCoalescedEvents?.() ?? [];
    const points = (events.length ? events : [event]).map(place);
    stroke([last, ...points]);
    last = points.at(-1);
    look();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    paper.addEventListener(end, () => {
      if (last) time();
      last = null;
    });
  }
  at("clear").addEventListener("click", guarded(clear));
  at("example").addEventListener("click", guarded(() => {
    draw(page.example);
    page.example = (page.example + 1) % EXAMPLES.length;
  }));
  for (const id of ["image-file", "network-file"]) {
    at(id).addEventListener("change", guarded(async ({ target }) => {
      if (target.files.length) await openFile(target.files[0]);
      target.value = "";
    }));
  }
  const over = (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", event.type === "dragover");
  };
  for (const type of ["dragover", "dragleave", "drop"]) document.addEventListener(type, over);
  const first = ({ files }) => (files.length ? openFile(files[0]) : undefined);
  document.addEventListener("drop", guarded((event) => first(event.dataTransfer)));
  document.addEventListener("paste", guarded((event) => first(event.clipboardData)));
}

async function start() {
  const module = decode(MODULE.bytes);
  page.runtime = await startRuntime(module);
  at("module-bytes").textContent = `${number(Math.round(module.length / 1000))} kB`;
  for (const name of Object.keys(FILES)) offer(name, NETWORKS[name].title);
  listen();
  const [name] = Object.keys(FILES);
  at(`network-${name}`).checked = true;
  choose(name);
}

/** Done when the page is ready. */
const ready = guarded(start)();
