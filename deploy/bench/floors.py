#!/usr/bin/env python3
"""What the shop makes of its floor, which is Redis alone: reads beside a bare GET, and bulk writes beside XADD, in turns.

    deploy/bench/floors.py [--bin target/release] [--rounds 3]

reads: GET of one product over 64 connections, beside `redis-benchmark -t get -P 1 -c 64`.
bulk: 150 arrays of 1,000 products to POST /products over four connections, beside XADD of an entry of that size, 16 in a pipeline, by 50
clients. Written is when the stream has them, visible when the read model's list has them.
Each shop is new and has a Redis of its own. Needs redis-server, redis-benchmark and wrk on PATH, and Linux."""

import argparse
import re
import subprocess
import tempfile
import threading
import time

from growth import Shop, wait

ARRAYS, PRODUCTS, CONNECTIONS = 150, 1_000, 4
# The size of a product's event: its data, and what is told beside it.
ENTRY = ["event_action", "entity_created", "event_data", "d" * 110, "event_meta", "m" * 150]


def benchmark(shop, *options):
    """Requests a second of redis-benchmark."""
    command = ["redis-benchmark", "-s", shop.socket, "-q", *options]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(re.findall(r"([\d.]+) requests per second", told)[-1])


def reads(shop):
    told = subprocess.run(
        ["wrk", "-t1", "-c64", "-d4s", f"{shop.url}/product/{shop.product}"], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told:
        raise SystemExit(f"floors: {told}")
    return float(re.search(r"Requests/sec: +([\d.]+)", told)[1])


def bulk(shop):
    """Events a second until they are written, and until they are visible."""
    body = [{"name": f"Product {n}", "price": 100 + n} for n in range(PRODUCTS)]
    size = {"written": ("XLEN", "events:{product}"), "visible": ("ZCARD", "ids:{product}")}
    before = {name: shop.ask(*question) for name, question in size.items()}

    def send():
        for _ in range(ARRAYS // CONNECTIONS):
            shop.request("POST", "/products", body)

    sent = ARRAYS // CONNECTIONS * CONNECTIONS * PRODUCTS
    senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    began = time.monotonic()
    for sender in senders:
        sender.start()
    rates = []
    for name, question in size.items():
        wait(name, lambda: shop.ask(*question) >= before[name] + sent)
        rates.append(sent / (time.monotonic() - began))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release", help="the folder of ordershop [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured [default: %(default)s]")
    options = parser.parse_args()
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            shop = Shop(options.bin, folder).open()
            try:
                floor, rate = benchmark(shop, "-t", "get", "-P", "1", "-c", "64", "-n", "150000"), reads(shop)
                print(f"reads: {rate:,.0f} a second, a bare GET {floor:,.0f}: {rate / floor:.2f}", flush=True)
                floor = benchmark(shop, "-P", "16", "-c", "50", "-n", "300000", "XADD", "bench", "*", *ENTRY)
                shop.ask("DEL", "bench")
                written, visible = bulk(shop)
                print(f"bulk: {written:,.0f} events a second written, {visible:,.0f} visible, XADD -P 16 {floor:,.0f}: "
                      f"{written / floor:.2f}, {visible / floor:.2f}", flush=True)
            finally:
                shop.close()


if __name__ == "__main__":
    main()
