#!/usr/bin/env bash
# Every network of the history at its own size on random images: forward and one training step of two images,
# with the assertions of crates/testkit/tests/every_network.rs. Takes some minutes and about 4 GB of memory.
#
#     scripts/every-network.sh [NAME]
set -euo pipefail
cd "$(dirname "$0")/.."
STRIATE_NETWORKS="${1:-full}" cargo test --release --package striate-testkit --test every_network -- --nocapture
