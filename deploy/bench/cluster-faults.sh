#!/usr/bin/env bash
# Holds the shop on a Redis Cluster against loadgen's audit: once while ten slots move, once while a master is killed and comes back. Starts
# six servers, the shop and the load; some two minutes. Exit code 0 if the audit found nothing lost, doubled or out of order.
#
#   deploy/bench/cluster-faults.sh [--rate 20] [--duration 20s] [--out DIR] [-- options of ordershop up]
#
# BIN is the folder of both programs [default: target/debug]. Needs redis-server and redis-cli 7.0 or newer, and jq.
set -euo pipefail
cd "$(dirname "$0")/../.."

rate=20
duration=20s
out=$(mktemp -d)
while [ $# -gt 0 ]; do
    case $1 in
    --rate) rate=$2 ;;
    --duration) duration=$2 ;;
    --out) out=$2 ;;
    --) shift; break ;;
    *) echo "cluster-faults.sh: unknown option $1; allowed: --rate N, --duration TIME, --out DIR, -- options of ordershop up" >&2; exit 2 ;;
    esac
    shift 2
done
bin=${BIN:-target/debug}
mkdir -p "$out"

pids=()
end() {
    # The shop first.
    for ((at = ${#pids[@]} - 1; at >= 0; at--)); do
        kill "${pids[$at]}" 2>/dev/null || true
        wait "${pids[$at]}" 2>/dev/null || true
    done
}
trap end EXIT

# Waits until a command succeeds, 60 s at most.
until_ok() {
    local give_up=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$give_up" ] || { echo "cluster-faults.sh: not in time: $*" >&2; exit 1; }
        sleep 0.1
    done
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

ports=() buses=()
node() {
    local at=$1
    mkdir -p "$out/node-$at"
    redis-server --port "${ports[$at]}" --cluster-enabled yes --cluster-port "${buses[$at]}" --cluster-node-timeout 2000 \
        --cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0 --appendonly yes --save "" --dir "$PWD_OUT/node-$at" \
        --logfile "$PWD_OUT/node-$at/log" &
    servers[at]=$!
    pids+=($!)
}
PWD_OUT=$(cd "$out" && pwd)
servers=()
for at in 0 1 2 3 4 5; do
    ports+=("$(free_port)")
    buses+=("$(free_port)")
    node "$at"
done
on() {
    local at=$1
    shift
    redis-cli -p "${ports[$at]}" "$@"
}
says() {
    local part=$1
    shift
    on "$@" | grep -q "$part"
}
for at in 0 1 2 3 4 5; do
    until_ok says PONG "$at" ping
    on "$at" cluster set-config-epoch $((at + 1)) >/dev/null
done
on 0 cluster addslotsrange 0 5460 >/dev/null
on 1 cluster addslotsrange 5461 10922 >/dev/null
on 2 cluster addslotsrange 10923 16383 >/dev/null
for at in 1 2 3 4 5; do
    on "$at" cluster meet 127.0.0.1 "${ports[0]}" "${buses[0]}" >/dev/null
done
for at in 0 1 2 3 4 5; do
    until_ok says cluster_known_nodes:6 "$at" cluster info
done
for at in 3 4 5; do
    on "$at" cluster replicate "$(on $((at - 3)) cluster myid)" >/dev/null
    until_ok says master_link_status:up "$at" info replication
done
for at in 0 1 2 3 4 5; do
    until_ok says cluster_state:ok "$at" cluster info
done

listen=127.0.0.1:$(free_port)
"$bin/ordershop" up --listen "$listen" --redis-url "redis+cluster://127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}" --replicas-ack 1 "$@" \
    >"$out/shop.log" 2>&1 &
pids+=($!)
until_ok curl --silent --fail "http://$listen/health"

# The number of the node that has a slot, and prints nothing while there is none.
owner() {
    local slot=$1 at id
    for at in 0 1 2 3 4 5; do
        id=$(on "$at" cluster myid 2>/dev/null) || continue
        on "$at" cluster nodes | awk -v id="$id" -v slot="$slot" '
            $1 == id && $3 ~ /master/ { for (i = 9; i <= NF; i++) { split($i, r, "-"); last = (r[2] == "") ? r[1] : r[2]; if (r[1] + 0 <= slot && slot <= last + 0) found = 1 } }
            END { exit !found }' && { echo "$at"; return; }
    done
}

# Moves the slot of a key, with its keys, to another master.
move() {
    local slot from to at keys
    slot=$(on 1 cluster keyslot "$1")
    from=$(owner "$slot")
    for to in 0 1 2 3 4 5; do
        [ "$to" != "$from" ] && says role:master "$to" info replication && break
    done
    on "$to" cluster setslot "$slot" importing "$(on "$from" cluster myid)" >/dev/null
    on "$from" cluster setslot "$slot" migrating "$(on "$to" cluster myid)" >/dev/null
    while keys=$(on "$from" cluster getkeysinslot "$slot" 100) && [ -n "$keys" ]; do
        # shellcheck disable=SC2086 # No key of the shop has a space.
        on "$from" migrate 127.0.0.1 "${ports[$to]}" "" 0 5000 keys $keys >/dev/null
    done
    for at in "$to" "$from" 0 1 2 3 4 5; do
        says role:master "$at" info replication 2>/dev/null && on "$at" cluster setslot "$slot" node "$(on "$to" cluster myid)" >/dev/null
    done
    return 0
}

# Runs the load with a fault some seconds after its beginning, and judges it by the audit alone: requests may fail meanwhile.
judged() {
    local name=$1 load failed
    "$bin/loadgen" run checkout --target "http://$listen" --rate "$rate" --duration "$duration" --out "$out/$name" >"$out/$name.log" 2>&1 &
    load=$!
    until_ok grep -q '^5/' "$out/$name.log"
    "$name"
    wait "$load" || true
    failed=$(jq -r '[.audit.checks[] | select(.fell > 0) | "\(.name): \(.fell) of \(.checked)"] | join("; ")' "$out/$name/report.json")
    jq -r --arg name "$name" '"\($name): \(.audit.events) events, \(.journeys.completed) journeys completed, \(.journeys.failed) failed; audit: "' "$out/$name/report.json" | tr -d '\n'
    echo "${failed:-PASS}"
    [ -z "$failed" ]
}

ten_slots_move() {
    local key
    for key in 'events:{order}' 'events:{cart}' 'events:{billing}' 'events:{shipping}' 'events:{inventory}' \
        'mq:{order-service.create_order}' 'mq:{cart-service.create_cart}' 'mq:{read-model.get_facts}' mq:processes mq:functions; do
        move "$key"
    done
}

a_master_dies() {
    local slot dead
    slot=$(on 1 cluster keyslot 'events:{order}')
    dead=$(owner "$slot")
    kill -KILL "${servers[$dead]}"
    until_ok next_master "$slot"
    node "$dead"
    until_ok says master_link_status:up "$dead" info replication
}
next_master() {
    [ -n "$(owner "$1")" ]
}

code=0
judged ten_slots_move || code=1
judged a_master_dies || code=1
echo "reports and logs: $out"
exit "$code"
