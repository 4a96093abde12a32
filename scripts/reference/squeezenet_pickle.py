#!/usr/bin/env python3
"""Converts SqueezeNet 1.1 from the package ndf (a pickle of NumPy arrays, kernels HWIO) to safetensors:

    scripts/reference/squeezenet_pickle.py squeezenet_weights.pkl squeezenet.safetensors

Needs no packages: the unpickler accepts only the three names that construct arrays of floats.
"""

import array
import json
import pickle
import struct
import sys


class Dtype:
    def __init__(self, name, *_):
        if name != "f4":
            raise pickle.UnpicklingError(f"unsupported type {name}")

    def __setstate__(self, state):
        if state[1] != "<":
            raise pickle.UnpicklingError("unsupported byte order")


class Array:
    def __setstate__(self, state):
        _, self.shape, _, fortran, data = state
        self.values = array.array("f", data if isinstance(data, bytes) else data.encode("latin-1"))
        if fortran:
            raise pickle.UnpicklingError("unsupported Fortran order")


def reconstruct(*_):
    return Array()


class Unpickler(pickle.Unpickler):
    KNOWN = {
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy", "ndarray"): Array,
        ("numpy", "dtype"): Dtype,
    }

    def find_class(self, module, name):
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"refused: {module}.{name}")
        return self.KNOWN[module, name]


def oihw(kernel):
    height, width, inputs, outputs = kernel.shape
    taps = height * width
    values = array.array("f")
    for o in range(outputs):
        for i in range(inputs):
            values.extend(kernel.values[(tap * inputs + i) * outputs + o] for tap in range(taps))
    return (outputs, inputs, height, width), values


def main():
    source, target = sys.argv[1:]
    with open(source, "rb") as file:
        layers = Unpickler(file, encoding="latin-1").load()
    header, data = {}, b""
    for name in sorted(layers):
        kernel, bias = layers[name]
        for part, (shape, values) in (("weight", oihw(kernel)), ("bias", (bias.shape, bias.values))):
            begin = len(data)
            data += values.tobytes()
            header[f"{name}.{part}"] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    with open(target, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()
