#!/usr/bin/env bash
# Runs a scenario, in turns with a baseline if there is one to measure, compares, and writes the job's summary. Exits with 1 if a run failed
# or the comparison finds a regression, 3 if a run is INVALID, 2 for bad input; 4 or 5 if a run was interrupted or its report can't be written.
# A comparison that can't tell is a warning.
#
# Environment: SCENARIO, TARGET, OUT; optional: LOADGEN (loadgen on PATH), BASELINE_TARGET or BASELINE, RUNS (1), ARGUMENTS,
#   GITHUB_STEP_SUMMARY, GITHUB_OUTPUT
set -euo pipefail

loadgen=${LOADGEN:-loadgen}
runs=${RUNS:-1}
summary=${GITHUB_STEP_SUMMARY:-/dev/null}
# Words, as they stand in the workflow.
read -r -a arguments <<<"${ARGUMENTS:-}"
if [ -n "${BASELINE_TARGET:-}" ] && [ -n "${BASELINE:-}" ]; then
    echo "::error::give baseline-target or baseline, not both" >&2
    exit 2
fi
case "$runs" in
'' | *[!0-9]* | 0*) echo "::error::runs must be a whole number from 1, not '$runs'" >&2; exit 2 ;;
esac
# A run writes beside a report that is there: the job would tell and compare the earlier one.
for side in candidate ${BASELINE_TARGET:+baseline}; do
    [ ! -e "$OUT/$side" ] || { echo "::error::$OUT/$side is there already: remove it, or choose another folder with out" >&2; exit 2; }
done
mkdir -p "$OUT/junit" "$OUT/csv"

worst=0
# The worse of two exit codes: bad input, then FAIL, then interrupted or not written, then INVALID.
note() {
    case "$worst-$1" in
    *-0 | 2-* | 1-[345] | [45]-[345]) ;;
    *) worst=$1 ;;
    esac
}

measure() {
    local side=$1 url=$2 number=$3 code=0
    echo "::group::$side, run $number"
    "$loadgen" run "$SCENARIO" --target "$url" --out "$OUT/$side/$number" --progress plain \
        --junit "$OUT/junit/$side-$number.xml" --csv "$OUT/csv/$side-$number.csv" ${arguments[@]+"${arguments[@]}"} || code=$?
    echo "::endgroup::"
    # The baseline's own verdict is not this change's.
    if [ "$side" = candidate ]; then
        note "$code"
    elif [ "$code" -eq 2 ]; then
        exit 2
    fi
}

for number in $(seq "$runs"); do
    # ABBA: what changes with time falls on both sides alike.
    if [ -n "${BASELINE_TARGET:-}" ] && [ $((number % 2)) = 1 ]; then
        measure baseline "$BASELINE_TARGET" "$number"
        measure candidate "$TARGET" "$number"
    else
        measure candidate "$TARGET" "$number"
        [ -z "${BASELINE_TARGET:-}" ] || measure baseline "$BASELINE_TARGET" "$number"
    fi
done

baseline=${BASELINE:-}
[ -z "${BASELINE_TARGET:-}" ] || baseline=$OUT/baseline
if [ -n "$baseline" ] && [ "$worst" != 2 ]; then
    code=0
    "$loadgen" compare "$baseline" "$OUT/candidate" --format markdown --out "$OUT/comparison.md" || code=$?
    case "$code" in
    3) echo "::warning title=loadgen::the runs can't tell whether the candidate is slower; see the summary" ;;
    *) note "$code" ;;
    esac
fi
for number in $(seq "$runs"); do
    if [ -f "$OUT/candidate/$number/summary.md" ]; then
        cat "$OUT/candidate/$number/summary.md" >>"$summary"
        echo >>"$summary"
        break
    fi
done
if [ -f "$OUT/comparison.md" ]; then
    cat "$OUT/comparison.md" >>"$summary"
fi

case "$worst" in
0) verdict=PASS ;;
3) verdict=INVALID ;;
*) verdict=FAIL ;;
esac
echo "verdict=$verdict" >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$worst"
