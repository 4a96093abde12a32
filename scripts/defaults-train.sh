#!/usr/bin/env bash
# Trains built-in networks at their own size with their default recipes for three epochs on a small
# folder of images (3 classes, 120 JPEGs of 60 to 90 pixels), and shows the loss of each epoch; then fine-tunes on 20
# images of 2 classes and shows the error on all of them. Needs Python with Pillow. Without NAMEs, all networks are
# trained, which takes an hour or more on two cores.
#
#     scripts/defaults-train.sh [NAME...]
#
# Variables:
#   STRIATE  the program, by default built in release mode
#   PYTHON   Python with Pillow, by default python3
#   OUT      folder of the images and runs, by default a temporary one
set -uo pipefail
# Relative to the caller's folder.
if [ -n "${STRIATE:-}" ]; then
    program=$(type -P "$STRIATE") || { echo "defaults-train: \$STRIATE is not a program: $STRIATE" >&2; exit 1; }
    STRIATE=$(realpath "$program")
fi
cd "$(dirname "$0")/.."
if [ -z "${STRIATE:-}" ]; then
    cargo build --release --package striate-cli || exit 1
    STRIATE=target/release/striate
fi
if [ -z "${OUT:-}" ]; then
    OUT=$(mktemp -d)
    trap 'rm -rf "$OUT"' EXIT
fi
weights="${XDG_CACHE_HOME:-$HOME/.cache}/striate/weights"
"${PYTHON:-python3}" scripts/reference/small_folders.py "$OUT" || exit 1
names=("$@")
[ ${#names[@]} -gt 0 ] || mapfile -t names < <("$STRIATE" models --json | "${PYTHON:-python3}" -c \
    'import json, sys; models = sorted(json.load(sys.stdin)["models"], key=lambda m: m["macs"])
[print(m["name"]) for m in models if not ("-svm" in m["name"] or "neocog" in m["name"])]  # These have no epochs.')

failed=0
report() { # NAME FOLDER: the losses of the run, and whether they fall
    awk -F, -v name="$1" 'NR > 1 { losses = losses sprintf(" %8.4f", $4); if (NR == 2) first = $4; last = $4 }
        END { falls = NR == 4 && last < first; printf "%-20s%s  %s\n", name, losses, falls ? "falls" : "DOES NOT FALL"
              exit !falls }' "$2/metrics.csv"
}
for name in "${names[@]}"; do
    run="$OUT/run-$name"
    if "$STRIATE" train "$name" --data "$OUT/three" --epochs 3 --out "$run" >"$run.out" 2>"$run.err"; then
        report "$name" "$run" || failed=1
    else
        printf '%-20s FAILED: %s\n' "$name" "$(tail -1 "$run.err")"
        failed=1
    fi
    rm -rf "$run"
done

tune() { # LABEL NAME WEIGHTS
    run="$OUT/tune-$1"
    if "$STRIATE" train "$2" --data "$OUT/two" --weights "$3" --out "$run" >"$run.out" 2>"$run.err"; then
        printf 'fine-tuned %-20s %s\n' "$1" "$("$STRIATE" eval "$run/last.safetensors" --data "$OUT/two" | head -1)"
    else
        printf 'fine-tuned %-20s FAILED: %s\n' "$1" "$(tail -1 "$run.err")"
        failed=1
    fi
    rm -rf "$run"
}
if [ $# -eq 0 ]; then
    for name in squeezenet1_1 efficientnet-lite0; do
        [ ! -f "$weights/$name.safetensors" ] || tune "$name" "$name" "$weights/$name.safetensors"
    done
    "$STRIATE" train resnet18 --data "$OUT/two" --steps 0 --out "$OUT/random" >/dev/null 2>&1
    tune resnet18-random resnet18 "$OUT/random/last.safetensors"
fi
exit $failed
