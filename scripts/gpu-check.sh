#!/usr/bin/env bash
# Checks a real GPU. The first form builds the tests and the program, stripped, into target/gpu-check, on a machine with
# Rust; the second runs them on a machine with a GPU, which needs no Rust: every operation against the interpreter,
# networks against the CPU, the same bits twice and after resuming, and speed in each precision. Ends after about 5
# minutes at the latest, with exit code 1 if anything failed or was left out.
#
#     scripts/gpu-check.sh build
#     scripts/gpu-check.sh run [FOLDER]     writes its results to FOLDER, by default gpu-check-results
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/gpu-check
seconds=290

case "${1:-}" in
build)
    mkdir -p "$folder"
    cargo build --release --package striate-cli
    strip -o "$folder/striate" target/release/striate
    for name in stages gpu; do
        program=$(cargo test --release --package striate-testkit --test "$name" --no-run 2>&1 \
            | sed -n 's/.*(\(.*\))$/\1/p' | tail -1)
        strip -o "$folder/$name" "$program"
    done
    ls -l "$folder"
    ;;
run)
    results="${2:-gpu-check-results}"
    mkdir -p "$results"
    status=0
    # The tests use the real GPU alone, and fail if it cannot be opened.
    export STRIATE_GPU=1
    check() {
        local name=$1 left=$((seconds - SECONDS))
        shift
        if [ "$left" -le 0 ]; then
            status=1
            echo "$name: LEFT OUT, no time left"
        elif timeout "$left" "$@" > "$results/$name.txt" 2>&1; then
            echo "$name: passed, $((seconds - left)) to $SECONDS s; $(tail -n 1 "$results/$name.txt")"
        else
            status=1
            echo "$name: FAILED, see $results/$name.txt"
            tail -n 5 "$results/$name.txt"
        fi
    }
    check devices "$folder/striate" devices
    # All networks take longer than the whole check: the CPU computes their gradients twice.
    networks=lenet5,lenet5-1998,alexnet,nin-cifar,vgg11,googlenet,resnet18,resnet20,squeezenet1_1,efficientnet-lite0
    check networks env STRIATE_NETWORKS=$networks "$folder/gpu" networks --nocapture
    check bits "$folder/gpu" bits --nocapture
    check operations "$folder/stages"
    for precision in f32 tf32 bf16; do
        for network in lenet5 resnet50 vgg16 googlenet alexnet; do
            flags=(--device cuda --precision "$precision" --batch 64 --seconds 1)
            check "train-$network-$precision" "$folder/striate" bench train "$network" "${flags[@]}"
            check "infer-$network-$precision" "$folder/striate" bench infer "$network" "${flags[@]}"
        done
    done
    exit "$status"
    ;;
*)
    sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p'
    exit 2
    ;;
esac
