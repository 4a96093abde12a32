#!/usr/bin/env bash
# Downloads NVIDIA's compiler of GPU kernels (NVRTC, about 90 MB) with pip into the data folder ($STRIATE_DATA, or else
# ~/.cache/striate), and with --with-cudnn also cuDNN and the library that it needs (920 MB). With these,
# STRIATE_CUDA=~/.cache/striate/gpu/nvidia lets crates/testkit/tests/gpu.rs compile all kernels and plan all
# convolutions, for which no GPU is needed. Existing files are kept; checksums of downloads are verified. Needs python3
# with pip. On a machine with a GPU, install the packages with pip as usual instead, and Striate finds them.
#
#     scripts/fetch-gpu-libraries.sh [--with-cudnn]
set -euo pipefail
export PIP_ROOT_USER_ACTION=ignore

STRIATE_DATA="${STRIATE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/striate}"
# Relative to the caller's folder, not to the repository.
case $STRIATE_DATA in /*) ;; *) STRIATE_DATA="$PWD/$STRIATE_DATA" ;; esac
folder="$STRIATE_DATA/gpu"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"

# fetch FILE PACKAGE SHA256: installs a package unless its file is there.
fetch() {
    if [ -s "$folder/nvidia/$1" ]; then
        echo "fetch-gpu-libraries: $2 is present"
        return
    fi
    echo "fetch-gpu-libraries: downloading $2 with pip"
    echo "$2 --hash=sha256:$3" > "$work/requirement"
    rm -rf "$work/unpacked"
    python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
        --target "$work/unpacked" --requirement "$work/requirement"
    # Files appear under their names only when they are complete.
    rm -rf "$folder/.partial"
    cp -r "$work/unpacked" "$folder/.partial"
    (
        cd "$folder/.partial"
        find nvidia -type d -exec mkdir -p "../{}" \;
        find nvidia -type f -exec mv {} "../{}" \;
    )
    rm -rf "$folder/.partial"
}

fetch cu13/lib/libnvrtc.so.13 nvidia-cuda-nvrtc==13.0.88 ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575
if [ "${1:-}" = --with-cudnn ]; then
    fetch cu13/lib/libcublasLt.so.13 nvidia-cublas==13.4.1.3 a5917cb642cfb07f4a0231ee16aec7e2e0357d8cb8b1b78a0c9c68dba3e6afc7
    fetch cudnn/lib/libcudnn.so.9 nvidia-cudnn-cu13==9.26.0.51 9c976d539786698c71d6bcdbe2053b7485fae062ff7e1215d2f2ff67b1a2149a
fi
