"""Runs an exported file in onnxruntime and compares it with outputs that are stored beside its inputs.

    python compare_onnx.py MODEL.onnx CASE.safetensors

The case holds `images` and a tensor for each output. Prints, as JSON, each output's largest absolute difference and
largest magnitude. Needs onnx, onnxruntime, safetensors and numpy.
"""

import json
import sys

import numpy
import onnx
import onnxruntime
from safetensors.numpy import load_file

model, case = sys.argv[1], load_file(sys.argv[2])
onnx.checker.check_model(onnx.load(model), full_check=True)
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
found = dict(zip(names, session.run(names, {"images": case["images"]})))
report = {}
for name, values in found.items():
    expected = case[name].reshape(values.shape)
    report[name] = [float(numpy.abs(values - expected).max()), float(numpy.abs(expected).max())]
print(json.dumps(report))
