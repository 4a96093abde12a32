#!/usr/bin/env bash
# Forces each implementation of convolutions in every built-in network, at reduced sizes, and compares the bits of one
# and two threads and of a resumed step with each other; crates/testkit/tests/every_network.rs. Takes about an hour.
#
#     scripts/same-bits.sh [NAME]
set -euo pipefail
cd "$(dirname "$0")/.."
export STRIATE_FORCED=1 STRIATE_NETWORKS="${1:-}"
cargo test --release --package striate-testkit --test every_network -- --nocapture
