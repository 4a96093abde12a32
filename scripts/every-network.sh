#!/usr/bin/env bash
# Runs every built-in network at its own size on random images: a forward pass and a training step on two images,
# checked by crates/testkit/tests/every_network.rs. Takes some minutes and about 4 GB of memory.
#
#     scripts/every-network.sh [NAME]
set -euo pipefail
cd "$(dirname "$0")/.."
STRIATE_NETWORKS="${1:-full}" cargo test --release --package striate-testkit --test every_network -- --nocapture
