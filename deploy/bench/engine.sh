#!/bin/sh
# What loadgen's engine claims of itself, measured on this machine: beside wrk and oha where they are on PATH
# (apt-get install wrk; cargo install oha), a bare sleeping loop, a stopped server, ten million requests.
# Arguments go to the example: deploy/bench/engine.sh open --rounds 3
set -eu
cd "$(dirname "$0")/../.."
cargo build --release -p loadgen --bin loadgen --example engine
exec "${CARGO_TARGET_DIR:-target}/release/examples/engine" "${@:-all}"
