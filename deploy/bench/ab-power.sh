#!/usr/bin/env bash
# Whether `loadgen ab` keeps its word: how often it calls a build worse than itself, and how often one that wastes a tenth of its work.
#
#   deploy/bench/ab-power.sh [--null 20] [--power 10] [--burn US] [--out DIR] [--seconds N] [-- options of loadgen ab]
#
# What is wasted for each event that the read model applies is a tenth of a journey's CPU as it is measured here first, or --burn.
#
# Resumable: a comparison that is done is not made again, and after --seconds no other is begun, so that it can be run in pieces.
set -euo pipefail
cd "$(dirname "$0")/../.."

null=20 power=10 seconds=1000000000
burn=""
out=reports/runs/ab-power
while [ $# -gt 0 ]; do
    case $1 in
    --null) null=$2 ;;
    --power) power=$2 ;;
    --burn) burn=$2 ;;
    --out) out=$2 ;;
    --seconds) seconds=$2 ;;
    --) shift; break ;;
    *) echo "ab-power.sh: $1 is no option; these are: --null N, --power N, --burn US, --out DIR, --seconds N, -- options of loadgen ab" >&2; exit 2 ;;
    esac
    shift 2
done

bin=${BIN:-${CARGO_TARGET_DIR:-target}/release}
if [ ! -x "$bin/loadgen" ] || [ ! -x "$bin/ordershop" ]; then
    cargo build --locked --release --workspace --bins
fi
mkdir -p "$out"

# Microseconds an event: a tenth of the CPU of a journey of `checkout`, system and Redis together, over the 15.8 events that the read
# model applies for it. Kept, so that comparisons made later have the same.
tenth() {
    local kept="$out/burn-us"
    if [ ! -s "$kept" ]; then
        local cpu
        cpu=$("$bin/loadgen" run checkout --duration 10s --no-audit --progress none --out "$out/cost" --format json 2>/dev/null | sed -n 's/^ *"both": \([0-9.]*\).*/\1/p' | head -n 1)
        [ -n "$cpu" ] || { echo "ab-power.sh: what a journey costs was not measured; see $out/cost, or give --burn" >&2; exit 1; }
        awk -v cpu="$cpu" 'BEGIN { printf "%.0f\n", cpu / 10 / 15.8 }' >"$kept"
        echo "a journey costs $cpu us of CPU: a tenth of it is $(cat "$kept") us an event" >&2
    fi
    cat "$kept"
}

# One comparison: the answer's line, kept in a file of its own.
comparison() {
    local name=$1 seed=$2 line code=0
    shift 2
    local result="$out/$name.txt"
    if [ ! -s "$result" ]; then
        if [ $SECONDS -ge "$seconds" ]; then return 1; fi
        rm -rf "${out:?}/$name"
        "$bin/loadgen" ab checkout --out "$out/$name" --seed "$seed" "$@" >"$out/$name.log" 2>"$out/$name.err" || code=$?
        case $code in 0) line=same ;; 1) line=worse ;; 3) line="can't tell" ;; *) cat "$out/$name.err" >&2; exit "$code" ;; esac
        # Why, and what measured it, as the comparison says it.
        line="$line; $(sed -n '/^verdict:/,/^$/p' "$out/$name.log" | grep '^  ' | paste -sd ';' -); $(grep '^block ' "$out/$name.err" | tail -n 1 | cut -d, -f1)"
        echo "$line" >"$result"
    fi
    echo "$name: $(cat "$result")"
}

# So many of a kind; then how many were worse.
several() {
    local kind=$1 number=$2 done=0 i
    shift 2
    for i in $(seq 1 "$number"); do
        comparison "$kind-$(printf %02d "$i")" "$i" "$@" || break
        done=$i
    done
    local worse
    worse=$(cat /dev/null $(seq -f "$out/$kind-%02g.txt" 1 "$done") | grep -c '^worse' || true)
    echo "$kind: $worse of $done worse"
}

if [ "$null" -gt 0 ]; then several null "$null" --a "$bin/ordershop up" --null "$@"; fi
if [ "$power" -gt 0 ]; then
    burn=${burn:-$(tenth)}
    several power "$power" --a "$bin/ordershop up" --b "$bin/ordershop up --burn-us-per-event $burn" "$@"
fi
