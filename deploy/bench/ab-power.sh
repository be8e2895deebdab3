#!/usr/bin/env bash
# Measures the error rates of `loadgen ab`: how often it calls a build worse than itself, and how often it finds a build that wastes a tenth
# of its work.
#
#   deploy/bench/ab-power.sh [--null 20] [--power 10] [--burn US] [--out DIR] [--seconds N] [-- options of loadgen ab]
#
# The waste for each event that the read model applies is --burn, or a tenth of a journey's CPU, which is measured first.
#
# The script is resumable: finished comparisons are not repeated, and no comparison starts after --seconds.
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
    *) echo "ab-power.sh: unknown option $1; allowed: --null N, --power N, --burn US, --out DIR, --seconds N, -- options of loadgen ab" >&2; exit 2 ;;
    esac
    shift 2
done

bin=${BIN:-${CARGO_TARGET_DIR:-target}/release}
if [ ! -x "$bin/loadgen" ] || [ ! -x "$bin/ordershop" ]; then
    cargo build --locked --release --workspace --bins
fi
mkdir -p "$out"

# Prints the microseconds to waste for each event: a tenth of the CPU of a journey of `checkout`, system and Redis together, divided by the
# 15.8 events that the read model applies for it. The value is kept in a file, so that later comparisons use the same.
tenth() {
    local kept="$out/burn-us"
    if [ ! -s "$kept" ]; then
        local cpu
        cpu=$("$bin/loadgen" run checkout --duration 10s --no-audit --progress none --out "$out/cost" --format json 2>/dev/null | sed -n 's/^ *"both": \([0-9.]*\).*/\1/p' | head -n 1)
        [ -n "$cpu" ] || { echo "ab-power.sh: the cost of a journey could not be measured; see $out/cost, or give --burn" >&2; exit 1; }
        awk -v cpu="$cpu" 'BEGIN { printf "%.0f\n", cpu / 10 / 15.8 }' >"$kept"
        echo "a journey costs $cpu us of CPU: a tenth of it is $(cat "$kept") us an event" >&2
    fi
    cat "$kept"
}

# Makes one comparison and prints its verdict, which is kept in a file.
comparison() {
    local name=$1 seed=$2 line code=0
    shift 2
    local result="$out/$name.txt"
    if [ ! -s "$result" ]; then
        if [ $SECONDS -ge "$seconds" ]; then return 1; fi
        rm -rf "${out:?}/$name"
        "$bin/loadgen" ab checkout --out "$out/$name" --seed "$seed" "$@" >"$out/$name.log" 2>"$out/$name.err" || code=$?
        case $code in 0) line=same ;; 1) line=worse ;; 3) line="can't tell" ;; *) cat "$out/$name.err" >&2; exit "$code" ;; esac
        # Adds the reasons of the verdict, and the number of blocks.
        line="$line; $(sed -n '/^verdict:/,/^$/p' "$out/$name.log" | grep '^  ' | paste -sd ';' -); $(grep '^block ' "$out/$name.err" | tail -n 1 | cut -d, -f1)"
        echo "$line" >"$result"
    fi
    echo "$name: $(cat "$result")"
}

# Makes several comparisons of a kind, then prints how many were worse.
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
