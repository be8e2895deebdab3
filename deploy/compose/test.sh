#!/usr/bin/env bash
# The shop in containers, under load, with a container killed in the middle of it: every order must end, stock and mails must add up, nothing may
# be left over. Builds the images offline, has a compose project and a port of its own, and removes both. Without a Docker engine it says so
# and skips.
#
#   LOADGEN (target/release/loadgen), COMPOSE_TEST_RATE, COMPOSE_TEST_DURATION, ORDERSHOP_PORT (a free one)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

loadgen=${LOADGEN:-target/release/loadgen}
rate=${COMPOSE_TEST_RATE:-20}
duration=${COMPOSE_TEST_DURATION:-20s}
# What becomes true later must do so within this.
patience_s=180

skip() {
    echo "compose-test: SKIPPED: $*"
    exit 0
}
fail() {
    echo "compose-test: FAILED: $*" >&2
    exit 1
}

command -v docker >/dev/null || skip "no docker client here"
docker info >/dev/null 2>&1 || skip "no Docker engine answers here"
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
else
    skip "neither docker compose nor docker-compose is here"
fi
command -v curl >/dev/null || skip "no curl here"
command -v jq >/dev/null || skip "no jq here"
command -v redis-cli >/dev/null || command -v valkey-cli >/dev/null || skip "no redis-cli here for the image's health check"

"${MAKE:-make}" --no-print-directory images-offline
cargo build --locked --release -p loadgen --bin loadgen

export COMPOSE_PROJECT_NAME=ordershop-test-$$ COMPOSE_PROFILES=offline ORDERSHOP_PORT=${ORDERSHOP_PORT:-0}
work=$(mktemp -d)
clean_up() {
    code=$?
    if [ $code -ne 0 ]; then
        "${compose[@]}" ps || true
        "${compose[@]}" logs --no-color --tail 40 || true
    fi
    "${compose[@]}" down -v --remove-orphans >/dev/null 2>&1 || true
    rm -rf "$work"
    exit $code
}
trap clean_up EXIT

# Waits until a command succeeds, looking twice a second.
eventually() {
    local what=$1 deadline=$((SECONDS + patience_s))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || fail "$what: not within $patience_s s"
        sleep 0.5
    done
}

ids() { "${compose[@]}" ps -q "$@"; }
health() { docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{end}} {{.State.Status}}' "$@"; }
all_healthy() { # shellcheck disable=SC2046
    ! health $(ids "$@") | grep -qv '^healthy running$'
}
get() { curl -fsS --max-time 20 "$url$1"; }
orders() { get "/orders" | jq '.result | length' || echo 0; }
some_orders() { [ "$(orders)" -ge "$1" ]; }
# An order waits for its customer while IN_STOCK (to be paid) and SHIPPED (to be received).
all_ended() { [ "$(get /orders | jq '.result | map(select(.status | IN("IN_STOCK", "SHIPPED", "DELIVERED") | not)) | length')" = 0 ]; }
nothing_waits() {
    local metrics
    metrics=$(get /metrics) || return 1
    ! grep -E '(backlog|pending|depth)\{' <<<"$metrics" | grep -qv ' 0$'
}
mails_complete() { [ "$(get /mails/sent | jq '.result | length')" = "$1" ]; }

"${compose[@]}" up -d
eventually "every container is healthy" all_healthy
url=http://$("${compose[@]}" port api-gateway 5000)
echo "compose-test: ready on $url"

"${compose[@]}" up -d --scale order-service=3
eventually "three order services are healthy" all_healthy order-service
[ "$(ids order-service | wc -l)" = 3 ] || fail "order-service was not scaled"

"$loadgen" run checkout --target "$url" --rate "$rate" --duration "$duration" --out "$work/run" >"$work/loadgen.log" 2>&1 &
load=$!
eventually "orders come in" some_orders 20
killed=$(ids inventory-service)
docker kill -s KILL "$killed" >/dev/null
echo "compose-test: killed inventory-service with $(orders) orders there"
# The engine takes a kill through itself for a wish and does not restart what it killed; a crash it does.
docker start "$killed" >/dev/null
eventually "the killed service is healthy again" all_healthy inventory-service
# Journeys that met the kill may have failed for their customers; what was accepted must end all the same.
wait "$load" || echo "compose-test: loadgen's verdict: exit code $? (a service was killed)"
tail -5 "$work/loadgen.log"

eventually "every accepted order is at its end, or waits for its customer" all_ended
eventually "no backlog and nothing pending" nothing_waits
get /report >"$work/report.json"
of() { jq ".result | $1" "$work/report.json"; }
echo "compose-test: $(of '.orders | group_by(.status) | map({(.[0].status): length}) | add' | tr -d '\n ')"
[ "$(of '.orders | length')" -gt 50 ] || fail "too few orders for a test"
sold=$(of '(.carts | map({key: .entity_id, value: (.product_ids | length)}) | from_entries) as $pieces | [.orders[] | $pieces[.cart_id]] | add')
gone=$(of '(.inventory | length) * 1000000000 - ([.inventory[].amount] | add)')
[ "$sold" = "$gone" ] || fail "$sold pieces were ordered, $gone are gone"
# A welcome each customer, please pay each order, received each billing, shipped each shipping.
expected=$(of '(.customers | length) + (.orders | length) + (.billings | length) + (.shippings | length)')
eventually "$expected mails" mails_complete "$expected"
metrics=$(get /metrics)
dead=$(grep -E 'dead_letters\{' <<<"$metrics" | grep -v ' 0$' || true)
[ -z "$dead" ] || fail "dead letters: $dead"
echo "compose-test: passed: $(of '.orders | length') orders, $sold pieces, $expected mails add up"
