#!/usr/bin/env bash
# Makes the pictures in this directory from the real program, built here, in scenes of their own, and the report of a run.
# Needs root (for the namespaces of the scenes), a C compiler and the Go of the tests. Takes four minutes.
# `make.sh run` makes those of `oomtop run` alone.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release --bin oomtop --example screenshot
cc -O2 -o target/holder benches/tools/holder.c
export PATH=$PWD/target/release:$PATH COLORTERM=truecolor
screenshot=target/release/examples/screenshot
$screenshot run screenshots screenshots/run.sh "$PWD/screenshots/report.md" "$PWD/target/release/oomtop"
[ "${1:-}" = run ] || $screenshot machine screenshots screenshots/scene.sh "$PWD/target/holder" oomtop
OOMTOP_WRITE_README=1 cargo test --locked --quiet --test readme
