#!/usr/bin/env bash
# Runs every built-in network at its own size on random images: a forward pass and two training steps on two images,
# with the same bits on one and two threads and after resuming, checked by crates/testkit/tests/every_network.rs. Takes
# some minutes and about 5 GB of memory.
#
#     scripts/every-network.sh [NAME]
set -euo pipefail
cd "$(dirname "$0")/.."
STRIATE_NETWORKS="${1:-full}" cargo test --release --package striate-testkit --test every_network -- --nocapture
