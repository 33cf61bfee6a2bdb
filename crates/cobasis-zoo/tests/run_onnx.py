"""Checks an ONNX file and runs it, for the first image alone and for all of them.

run_onnx.py MODEL IMAGES LOGITS: images and logits are raw 32-bit floating point numbers.
"""

import sys

import numpy
import onnx
import onnxruntime

path, images, logits = sys.argv[1:]
onnx.checker.check_model(path, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
(image,) = session.get_inputs()
values = numpy.fromfile(images, "<f4").reshape(-1, *image.shape[1:])
outputs = [session.run(["logits"], {"images": batch})[0] for batch in (values[:1], values)]
numpy.concatenate(outputs).astype("<f4").tofile(logits)
