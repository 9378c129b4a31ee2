#!/usr/bin/env bash
# Makes the pictures in this directory from the real program, built here, in a scene of its own. Needs root (for the
# namespaces of the scene) and a C compiler. Takes three minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release --bin oomtop --example screenshot
cc -O2 -o target/holder benches/tools/holder.c
PATH=$PWD/target/release:$PATH COLORTERM=truecolor target/release/examples/screenshot screenshots \
    screenshots/scene.sh "$PWD/target/holder" oomtop "$@"
