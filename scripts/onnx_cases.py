#!/usr/bin/env python3
"""Runs ONNX's conformance cases and the light models of the classic networks through striate:
scripts/onnx_cases.py STRIATE [--light] [--list]

Needs Python with onnx and onnxruntime (scripts/peers-setup.sh). Networks have one input, the data; the other inputs of a
case become initializers with the case's values. Node and PyTorch cases are compared with their stored outputs, light
models with theirs and with ONNX Runtime's, at batch sizes 1 and 3. Excluded cases are counted by reason, and listed with
--list. Exits with 1 if anything disagrees."""

import argparse
import collections
import glob
import os
import re
import sys
import tempfile

import numpy as np
import onnx
import onnx.backend.test
import onnxruntime
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from onnx_runs import difference, run

# The operators in the importer's list of rules.
RULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crates", "formats", "src", "onnx", "rules.rs")
with open(RULES) as rules:
    SUPPORTED = set(re.findall(r'^    \("(\w+)", \|', rules.read(), re.MULTILINE))
DATA = os.path.join(os.path.dirname(onnx.backend.test.__file__), "data")


def agrees(got, expected, tolerance):
    """Returns whether `got` is within `tolerance` of the largest element, or as close as ONNX's own runner requires."""
    if got.shape != expected.shape:
        return False
    return difference(got, expected) <= tolerance or np.allclose(got, expected, rtol=1e-3, atol=1e-7, equal_nan=True)


def case_files():
    """Yields (name, model, inputs, outputs) of the node and PyTorch cases."""
    for case in collect_testcases(None):
        if case.model is not None and case.data_sets:
            inputs, outputs = case.data_sets[0]
            yield case.name, case.model, inputs, outputs
    for kind in ("pytorch-converted", "pytorch-operator"):
        for folder in sorted(glob.glob(os.path.join(DATA, kind, "*"))):
            model = onnx.load(os.path.join(folder, "model.onnx"))
            tensors = []
            for side in ("input", "output"):
                files = glob.glob(os.path.join(folder, "test_data_set_0", f"{side}_*.pb"))
                files.sort(key=lambda path: int(path.rsplit("_", 1)[1][:-3]))
                tensors.append([numpy_helper.to_array(onnx.load_tensor(path)) for path in files])
            yield f"{kind}/{os.path.basename(folder)}", model, *tensors


def left_out(model, inputs, outputs):
    """Returns the reason why a case is not a network with one input and one output of floats, or None."""
    if any(node.op_type not in SUPPORTED or node.domain not in ("", "ai.onnx") for node in model.graph.node):
        return "an unsupported operation"
    if not inputs or not isinstance(inputs[0], np.ndarray) or inputs[0].dtype not in (np.float32, np.float16, np.float64):
        return "data are not floats"
    if len(outputs) != 1 or not isinstance(outputs[0], np.ndarray) or outputs[0].dtype.kind != "f":
        return "several outputs, or one that is not floats"
    if inputs[0].ndim == 0 or inputs[0].size == 0 or outputs[0].size == 0:
        return "no batch, or an empty one"
    if any(not isinstance(value, np.ndarray) for value in inputs):
        return "data are not floats"
    return None


def with_initializers(model, inputs):
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    known = {tensor.name for tensor in changed.graph.initializer}
    given = [value for value in changed.graph.input if value.name not in known]
    for value, array in list(zip(given, inputs))[1:]:
        changed.graph.initializer.append(numpy_helper.from_array(np.asarray(array), value.name))
        changed.graph.input.remove(value)
    return changed


def cases(striate, folder, names):
    counts, reasons, wrong = collections.Counter(), collections.defaultdict(list), []
    for name, model, inputs, outputs in case_files():
        why = left_out(model, inputs, outputs)
        if why is None:
            path = os.path.join(folder, "model.onnx")
            onnx.save(with_initializers(model, inputs), path)
            got, refusal = run(striate, path, inputs[0], folder)
            if got is None:
                why = refusal.removeprefix(path + ": ")
            elif not agrees(got, outputs[0].astype(np.float32), 2e-3 if inputs[0].dtype == np.float16 else 1e-4):
                wrong.append(f"{name}: {difference(got, outputs[0].astype(np.float32)):g}")
                continue
        if why is None:
            counts["agree"] += 1
        else:
            counts["excluded"] += 1
            reasons[why].append(name)
    print(f"conformance cases: {counts['agree']} agree, {len(wrong)} disagree, {counts['excluded']} excluded")
    for why, which in sorted(reasons.items(), key=lambda item: -len(item[1])):
        print(f"  {len(which):4} {why}" + (": " + ", ".join(which) if names and "unsupported operation" not in why else ""))
    for line in wrong:
        print("  DISAGREES", line)
    return not wrong


def with_random_weights(path, folder):
    """Returns the light model with random weights instead of its constants, with which all outputs are equal."""
    model, random = onnx.load(path), np.random.default_rng(1)
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    variances = {node.input[4] for node in model.graph.node if node.op_type == "BatchNormalization"}
    kept = []
    for node in model.graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = shapes[node.input[0]]
        fan = max(int(np.prod(shape[1:])), 1)
        array = random.standard_normal(shape) * (2 / fan) ** 0.5 if len(shape) > 1 else random.standard_normal(shape) * 0.1
        array = np.abs(array) + 0.5 if node.output[0] in variances else array
        model.graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    changed = os.path.join(folder, "random.onnx")
    onnx.save(model, changed)
    return changed


def light(striate, folder):
    good = True
    for path in sorted(glob.glob(os.path.join(DATA, "light", "*.onnx"))):
        name = os.path.basename(path)[:-5]
        stored = numpy_helper.to_array(onnx.load_tensor(path[:-5] + "_output_0.pb"))
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        shape = session.get_inputs()[0].shape
        # The stored outputs belong to this input: onnx/backend/test/runner.
        x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / np.prod(shape)
        random = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        figures = []
        for what, data, expected in [("stored", x, stored), ("ONNX Runtime", random, None)]:
            if expected is None:
                expected = session.run(None, {session.get_inputs()[0].name: data})[0]
            got, refusal = run(striate, path, data, folder)
            figures.append(f"{what} {refusal if got is None else format(difference(got, expected), '.1e')}")
            good &= got is not None and difference(got, expected) <= 1e-4
        drawn = with_random_weights(path, folder)
        expected = onnxruntime.InferenceSession(drawn, providers=["CPUExecutionProvider"]).run(
            None, {session.get_inputs()[0].name: random})[0]
        got, refusal = run(striate, drawn, random, folder)
        figures.append(f"random weights {refusal if got is None else format(difference(got, expected), '.1e')}")
        good &= got is not None and difference(got, expected) <= 1e-4
        three, refusal = run(striate, path, np.concatenate([random] * 3), folder)
        once, _ = run(striate, path, random, folder)
        same = three is not None and difference(three, np.concatenate([once] * 3)) < 1e-5
        good &= same
        print(f"{name}: {', '.join(figures)}, batch 3 {'agrees' if same else refusal or 'DISAGREES'}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("striate")
    parser.add_argument("--light", action="store_true", help="also run the light models")
    parser.add_argument("--list", action="store_true", help="list the excluded cases")
    args = parser.parse_args()
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        good = cases(args.striate, folder, args.list)
        good = (not args.light or light(args.striate, folder)) and good
    sys.exit(not good)


if __name__ == "__main__":
    main()
