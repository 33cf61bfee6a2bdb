// Times deployed networks in node, one image at a time, in turns:
// node results/browser/time.js MODULE.wasm[,MODULE.wasm] NETWORK.safetensors…
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const runtime = fs.readFileSync(path.join(__dirname, "../../docs/demo/runtime.js"), "utf8");
const { startRuntime, Network } = vm.runInThisContext(`${runtime};({ startRuntime, Network })`);
const [ROUNDS, RUNS] = [15, 5];

async function main() {
  const entries = [];
  for (const module of process.argv[2].split(",")) {
    const exports = await startRuntime(fs.readFileSync(module));
    for (const file of process.argv.slice(3)) {
      const network = new Network(exports, fs.readFileSync(file));
      const { size } = JSON.parse(network.metadata("images"));
      const images = new Float32Array(network.channels * size * size).map((_, i) => Math.sin(i));
      const run = () => network.run(images, [1, network.channels, size, size]);
      entries.push({ name: `${path.basename(module)},${network.metadata("model")}`, run, times: [] });
    }
  }
  for (let round = -2; round < ROUNDS; round++) {
    for (const { run, times } of entries) {
      const start = performance.now();
      for (let i = 0; i < RUNS; i++) run();
      // In the first rounds, the engine compiles.
      if (round >= 0) times.push((performance.now() - start) / RUNS);
    }
  }
  console.log("module,network,min_ms,median_ms");
  for (const { name, times } of entries) {
    times.sort((a, b) => a - b);
    console.log(`${name},${times[0].toFixed(3)},${times[ROUNDS >> 1].toFixed(3)}`);
  }
}

main();
