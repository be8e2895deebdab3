#!/usr/bin/env bash
# Sends generated requests, valid and invalid, to every operation of a shop of its own, and checks each answer against /openapi.json.
# Fails at a 5xx and at anything undocumented. Environment: ORDERSHOP_BINARY, FUZZ_EXAMPLES (per operation), FUZZ_SEED, TOOLS_DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

binary=$(realpath "${ORDERSHOP_BINARY:-${CARGO_TARGET_DIR:-target}/debug/ordershop}")
st=$(realpath "${TOOLS_DIR:-target/tools}/schemathesis")/bin/st
work=$(mktemp -d)
shop=
clean_up() {
    code=$?
    [ $code -eq 0 ] || tail -n 20 "$work/shop.log" >&2
    [ -z "$shop" ] || { kill "$shop" 2>/dev/null && wait "$shop" || true; }
    rm -rf "$work"
    exit $code
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$binary" up --listen 127.0.0.1:0 --data-dir "$work/data" --durability none >"$work/shop.log" 2>&1 &
shop=$!
for _ in $(seq 300); do
    url=$(sed -n 's/^OrderShop is ready: \([^ ]*\).*/\1/p' "$work/shop.log")
    [ -z "$url" ] || break
    kill -0 "$shop"
    sleep 0.1
done
[ -n "$url" ] || { echo "fuzz-api: the shop is not ready after 30 s" >&2; exit 1; }

# schemathesis reads its configuration where it runs, and keeps a cache there.
cp deploy/fuzz/schemathesis.toml deploy/fuzz/hooks.py "$work"
cd "$work"
"$st" run "$url/openapi.json" \
    --max-examples "${FUZZ_EXAMPLES:-50}" --seed "${FUZZ_SEED:-1}" --continue-on-failure --request-timeout 20
kill -0 "$shop" || { echo "fuzz-api: the shop has ended" >&2; exit 1; }
