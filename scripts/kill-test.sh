#!/usr/bin/env bash
# Kills training runs 200 times at random moments; each must resume to results bit-identical to an undisturbed run.
set -euo pipefail
cd "$(dirname "$0")/.."
STRIATE_KILLS="${1:-200}" cargo test --release --package striate-cli --test interruptions killed_runs -- --nocapture
