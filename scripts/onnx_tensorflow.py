#!/usr/bin/env python3
"""Compares striate with TensorFlow and ONNX Runtime on channels-last graphs exported by tf2onnx:
scripts/onnx_tensorflow.py STRIATE [NAME…]

Needs Python with tensorflow-cpu, onnx, onnxruntime and tf2onnx (scripts/peers-setup.sh --with-tensorflow). Keras
networks with random weights: small ones with every kind of layer, and those of keras.applications whose operations
striate supports. Opsets 13 and 18, an open batch, with tf2onnx's optimizer and, for the small ones, without it, which
leaves a pair of transpositions around every convolution. Batches 1 and 3; differences relative to the largest output,
at most 1e-4; prints the number of transposes in the file and of those that remain. Exits with 1 otherwise."""

import json
import os
import subprocess
import sys
import tempfile
import warnings

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
warnings.filterwarnings("ignore")

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx
import tf2onnx.optimizer as optimizers
from tensorflow.keras import Input, Model, applications, layers

from onnx_runs import difference, run


def padded():
    """Padding "same" at stride 2 on odd and even sides, batch norm with and without a bias before it, dense layers."""
    x = start = Input((33, 30, 3), name="image")
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same")(x)))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.MaxPool2D(2, padding="same")(layers.Activation("tanh")(x))
    x = layers.AveragePooling2D(3, 2, padding="same")(x)
    x = layers.Dropout(0.5)(layers.Dense(12, activation="relu")(layers.Flatten()(x)))
    return Model(start, layers.Dense(5, activation="softmax")(x))


def depthwise():
    """MobileNet's blocks: depthwise and pointwise convolution, ReLU6, padding, a residual connection, global average pooling."""
    x = start = Input((32, 32, 3), name="image")
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)))
    for stride in (1, 2):
        y = layers.ZeroPadding2D(((0, 1), (0, 1)))(x) if stride == 2 else x
        y = layers.DepthwiseConv2D(3, strides=stride, padding="valid" if stride == 2 else "same", use_bias=False)(y)
        y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(y))
        x = layers.Add()([x, y]) if stride == 1 else y
    return Model(start, layers.Dense(7)(layers.GlobalAveragePooling2D()(x)))


def branches():
    """Parallel branches, separable and dilated convolution, sigmoid, a kernel that covers the map."""
    x = start = Input((28, 28, 1), name="image")
    x = layers.Conv2D(6, 5, activation="relu")(x)
    parts = [layers.Conv2D(4, 1)(x), layers.Conv2D(4, 3, padding="same", dilation_rate=2)(x),
             layers.MaxPool2D(3, 1, padding="same")(x)]
    x = layers.Activation("sigmoid")(layers.BatchNormalization()(layers.Concatenate()(parts)))
    x = layers.SeparableConv2D(10, 3, padding="same")(x)
    x = layers.Conv2D(10, 24)(layers.AveragePooling2D(1)(x))
    return Model(start, layers.Softmax()(layers.Reshape((10,))(x)))


SMALL = {"padded": padded, "depthwise": depthwise, "branches": branches}
LARGE = {
    "VGG16": applications.VGG16,
    "ResNet50": applications.ResNet50,
    "MobileNet": applications.MobileNet,
    "MobileNetV2": applications.MobileNetV2,
    "InceptionV3": applications.InceptionV3,
    "InceptionResNetV2": applications.InceptionResNetV2,
    "DenseNet121": applications.DenseNet121,
}


def with_random_weights(net):
    """Returns the network with its initial kernels, but random biases and statistics unlike those of a new network."""
    random = np.random.default_rng(0)
    for variable in net.weights:
        name, shape = variable.path.rsplit("/", 1)[-1], variable.shape
        if name in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 1.5, shape))
        elif name in ("bias", "beta", "moving_mean"):
            variable.assign(random.normal(0, 0.1, shape))
    return net


def export(net, opset, path, optimized):
    spec = (tf.TensorSpec((None, *net.input_shape[1:]), tf.float32, name="image"),)
    function = tf.function(lambda x: net(x, training=False), input_signature=spec)
    every = optimizers._get_optimizers
    if not optimized:
        # Constant folding remains; without it, not even the axes of a mean are constant.
        optimizers._get_optimizers = lambda: {"fold_constants": every()["fold_constants"]}
    try:
        tf2onnx.convert.from_function(function, input_signature=spec, opset=opset, output_path=path)
    finally:
        optimizers._get_optimizers = every


def transposes(striate, path):
    """Returns the numbers of transposes in the file and in striate's network."""
    there = sum(node.op_type == "Transpose" for node in onnx.load(path).graph.node)
    done = subprocess.run([striate, "inspect", path, "--json"], capture_output=True, text=True)
    here = sum(layer["op"] == "transpose" for layer in json.loads(done.stdout)["layers"]) if done.stdout else -1
    return f"{there} transposes, {here} remain"


def main():
    striate, *names = sys.argv[1:]
    print(f"tensorflow {tf.__version__}, tf2onnx {tf2onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    worst = 0.0
    for name, build in {**SMALL, **LARGE}.items():
        if names and name not in names:
            continue
        net = with_random_weights(build() if name in SMALL else build(weights=None))
        forms = [(13, True), (18, True), (18, False)] if name in SMALL else [(18, True)]
        for opset, optimized in forms:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "model.onnx")
                export(net, opset, path, optimized)
                session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
                figures = []
                for batch in (1, 3):
                    x = np.random.default_rng(batch).standard_normal((batch, *net.input_shape[1:])).astype(np.float32)
                    got, refusal = run(striate, path, x, folder)
                    figures.append(difference(got, session.run(None, {"image": x})[0]))
                    figures.append(difference(got, net(x, training=False).numpy()))
                worst = max(worst, *figures)
                print(
                    f"{name}, opset {opset}, {'optimized' if optimized else 'plain'}: ONNX Runtime {figures[0]:.1e}, "
                    f"{figures[2]:.1e}, TensorFlow {figures[1]:.1e}, {figures[3]:.1e} (batch 1, 3); "
                    f"{transposes(striate, path)} {refusal}", flush=True)
    print(f"worst {worst:.1e}")
    sys.exit(not worst <= 1e-4)


if __name__ == "__main__":
    main()
