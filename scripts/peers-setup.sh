#!/usr/bin/env bash
# Creates a Python environment with the engines that bench/peers.py and scripts/onnx_*.py compare striate with, in
# target/peers-venv or the given folder: scripts/peers-setup.sh [--with-tensorflow] [FOLDER]
# Takes about 6 GB, since torch's standard package does not load without its CUDA libraries.
set -euo pipefail

scripts=$(cd "$(dirname "$0")" && pwd)
files=(-r "$scripts/peers-requirements.txt")
if [ "${1:-}" = --with-tensorflow ]; then
    files+=(-r "$scripts/peers-tensorflow.txt")
    shift
fi
venv="${1:-$scripts/../target/peers-venv}"

command -v python3 > /dev/null || { echo "peers-setup: python3 with venv is required" >&2; exit 1; }
python3 -m venv "$venv"
"$venv/bin/pip" install "${files[@]}"
echo "peers-setup: next, run $venv/bin/python bench/peers.py --help"
