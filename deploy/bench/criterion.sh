#!/usr/bin/env bash
# The benches of two revisions of this repository, in turns on this machine, each three times; then how they differ. The exit code is that of
# compare-report: 0 no regression, 1 a bench is slower, 3 these runs can't tell.
#
#   deploy/bench/criterion.sh BASE [CANDIDATE [BENCH...]]        CANDIDATE is HEAD, and the benches are all, unless they are named
#
# COMPARE_REPORT names a built compare-report; without it one is built. FORMAT is compare-report's --format. What is built stays in
# target/criterion-revisions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

[ $# -ge 1 ] || { sed -n '5s/^# *//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
base=$1 candidate=${2:-HEAD}
benches=("${@:3}")
[ ${#benches[@]} -gt 0 ] || benches=(codecs decide event_store grpc message_queue projection record schedule)
home=$PWD/target/criterion-revisions
# Shorter than `cargo bench` alone: the three runs of each side show how far runs scatter.
settings=(--warm-up-time 0.5 --measurement-time 1.5)

if [ -z "${COMPARE_REPORT-}" ]; then
    cargo build --locked --bin compare-report
    COMPARE_REPORT=${CARGO_TARGET_DIR:-target}/debug/compare-report
fi

measure() {
    local side=$1 arguments=()
    for bench in "${benches[@]}"; do arguments+=(--bench "$bench"); done
    shift
    (cd "$home/$side" && CRITERION_HOME="$home/criterion" CARGO_TARGET_DIR="$home/$side-target" \
        cargo bench --locked --package ordershop-benches "${arguments[@]}" "$@")
}

mkdir -p "$home"
rm -rf "$home/criterion"
for side in base candidate; do
    git worktree remove --force "$home/$side" 2>/dev/null || rm -rf "${home:?}/$side"
    git worktree prune
    git worktree add --quiet --detach "$home/$side" "${!side}"
    measure "$side" --no-run
done
for round in 1 2 3; do
    for side in base candidate; do
        echo "round $round of 3: ${!side}" >&2
        measure "$side" -- --save-baseline "$side-$round" --noplot "${settings[@]}" >&2
    done
done
for side in base candidate; do git worktree remove --force "$home/$side"; done

"$COMPARE_REPORT" --criterion --criterion-dir "$home/criterion" --format "${FORMAT:-text}" base-1,base-2,base-3 candidate-1,candidate-2,candidate-3
