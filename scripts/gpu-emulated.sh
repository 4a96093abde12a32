#!/usr/bin/env bash
# Runs every built-in network, or the named ones, with the kernels of GPUs on the emulator, at reduced sizes, and
# compares scores, loss and gradients with those of the CPU; crates/testkit/tests/gpu.rs. Takes more than an hour, and
# needs a C++ compiler, but no GPU.
#
#     scripts/gpu-emulated.sh [NAME,…]
set -euo pipefail
cd "$(dirname "$0")/.."
STRIATE_NETWORKS="${1:-all}" cargo test --release --package striate-testkit --test gpu networks -- --nocapture
