"""Checks an ONNX file and runs it, for the first image alone and for all of them.

run_onnx.py MODEL IMAGES OUTPUTS: images and outputs are raw 32-bit floating point numbers. Outputs are the
logits, or the boxes and scores of a detector, those of the first image before those of all.
"""

import sys

import numpy
import onnx
import onnxruntime

path, images, result = sys.argv[1:]
onnx.checker.check_model(path, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
(image,) = session.get_inputs()
values = numpy.fromfile(images, "<f4").reshape(-1, *image.shape[1:])
names = [output.name for output in session.get_outputs()]
assert names in (["logits"], ["boxes", "scores"]), names
outputs = [session.run(names, {"images": batch}) for batch in (values[:1], values)]
flat = [output.ravel() for batch in outputs for output in batch]
numpy.concatenate(flat).astype("<f4").tofile(result)
