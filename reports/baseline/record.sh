#!/bin/sh
# Records the baseline anew: three runs, without what can be made of them again.
set -eu
cd "$(dirname "$0")/../.."
bin=${BIN:-${CARGO_TARGET_DIR:-target}/release}
if [ ! -x "$bin/loadgen" ] || [ ! -x "$bin/ordershop" ]; then
    cargo build --locked --release --workspace --bins
fi
for run in 1 2 3; do
    rm -rf "reports/baseline/$run"
    "$bin/loadgen" run checkout --rate 200 --duration 10s --seed $run --no-audit --out "reports/baseline/$run"
    rm -f "reports/baseline/$run/report.html" "reports/baseline/$run/summary.md" "reports/baseline/$run/ordershop.log"
done
