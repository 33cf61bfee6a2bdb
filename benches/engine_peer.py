"""A deployed network in ONNX Runtime and OpenVINO, to measure against: `cobasis bench peers` starts this.

    python engine_peer.py ONNX IMAGES BATCH HEIGHT WIDTH THREADS ENGINES [--only=ENGINE]

ONNX is a file of `cobasis export`, IMAGES holds the batch as raw 32-bit numbers, [batch, 3, height, width], ENGINES is
onnxruntime, openvino, or both with a comma. First a line of JSON with the logits of every engine goes to the standard
output. Then each line of the standard input, `infer ENGINE`, is answered with the seconds that it took; `memory` with
the most memory ever held, in bytes. Both compute in 32 bits, whatever the processor offers.
"""
import json
import sys
import time

import numpy as np


class OnnxRuntime:
    def __init__(self, model, images, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin after their work would slow down the program that is measured in turn; within a run they may.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = {self.session.get_inputs()[0].name: images}

    def infer(self):
        return self.session.run(None, self.inputs)[0]


class OpenVino:
    def __init__(self, model, images, threads):
        import openvino

        core = openvino.Core()
        network = core.read_model(model)
        network.reshape(list(images.shape))
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.request = core.compile_model(network, "CPU", options).create_infer_request()
        self.images = openvino.Tensor(images, shared_memory=True)

    def infer(self):
        return self.request.infer([self.images], share_inputs=True, share_outputs=True)[0]


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}


def peak_memory():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def main():
    model, images, batch, height, width, threads, names = sys.argv[1:8]
    only = [argument.removeprefix("--only=") for argument in sys.argv[8:]]
    images = np.fromfile(images, dtype=np.float32).reshape(int(batch), 3, int(height), int(width))
    engines = {name: ENGINES[name](model, images, int(threads)) for name in only or names.split(",")}
    logits = {name: np.array(engine.infer()).flatten().tolist() for name, engine in engines.items()}
    print(json.dumps(logits), flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(peak_memory(), flush=True)
            continue
        _, name = line.split()
        start = time.perf_counter()
        engines[name].infer()
        print(time.perf_counter() - start, flush=True)


main()
