#!/usr/bin/env python3
"""What history costs: fills a shop in steps with sold orders. At each step it measures what a journey and a read cost, in turns with a
small shop beside it, the memory of an entity and an event, and how long a start and the rebuilding of the read model's cache take.

    deploy/bench/growth.py [--bin target/release] [--entities 10000,100000,1000000] [--rounds 4]

Each shop is a process of its own on a Redis of its own, in a folder that is removed at the end. CPU is that of the two processes while
`loadgen run` loads them. The steps of a measured shop are reached by a thousand orders at a time over the asynchronous endpoints.
Needs redis-server on PATH, and Linux."""

import argparse
import http.client
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
# Entities that an order comes with: cart, order, billing, shipping, reservation and three mails.
ENTITIES_PER_ORDER = 8
BATCH = 1_000
# The shop beside it is new at each step, and has so many entities.
SMALL = 10_000
READS = """
name = "growth-reads"
description = "Reads, one after the other."
[workload]
kind = "closed"
users = 4
duration = "4s"
[[feeders]]
name = "order"
items = [{items}]
pick = "random"
[[journeys]]
name = "read"
[[journeys.steps]]
name = "read"
request = {{ method = "GET", path = "{path}" }}
expect = {{ exist = ["/result/{there}"] }}
"""
# What is measured beside a journey: a read's path, and what its answer has.
KINDS = {"order": ("/order/{{order.id}}", "entity_id"), "page of 50": ("/orders?limit=50", "49")}


def wait(what, condition, patience=600):
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"growth: {what} takes longer than {patience} s")
        time.sleep(0.02)


class Shop:
    def __init__(self, bin_dir, folder):
        self.bin, self.folder = bin_dir, folder
        self.socket = f"{folder}/redis.sock"
        self.redis = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", folder, "--save", "",
             "--appendonly", "no", "--maxmemory-policy", "noeviction"],
            stdout=subprocess.DEVNULL)
        wait("Redis", lambda: os.path.exists(self.socket))
        self.process, self.connection = None, None

    def start(self):
        """Starts the shop; returns how long it takes until it is ready."""
        began = time.monotonic()
        self.log = open(f"{self.folder}/shop.log", "a")
        self.process = subprocess.Popen(
            [f"{self.bin}/ordershop", "up", "--listen", "127.0.0.1:0", "--redis-url", f"redis+unix://{self.socket}"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            if "ready: " in line:
                self.url = line.split("ready: ")[1].split()[0]
                self.host = self.url.removeprefix("http://")
                return time.monotonic() - began
        sys.exit(f"growth: the shop ended; its log is {self.folder}/shop.log")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def ask(self, *words):
        """Redis's answer to a command."""
        if self.connection is None:
            link = socket.socket(socket.AF_UNIX)
            link.connect(self.socket)
            self.connection = link.makefile("rwb")
        words = [str(word).encode() for word in words]
        self.connection.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        self.connection.flush()
        return self.answer()

    def answer(self):
        kind, text = (line := self.connection.readline().strip().decode())[0], line[1:]
        if kind == "-":
            sys.exit(f"growth: Redis: {text}")
        if kind == "*":
            return [self.answer() for _ in range(int(text))]
        if kind == "$":
            return None if text == "-1" else self.connection.read(int(text) + 2)[:-2].decode()
        return int(text) if kind == ":" else text

    def request(self, method, path, body=None, retries=50):
        for _ in range(retries):
            connection = http.client.HTTPConnection(self.host, timeout=60)
            connection.request(method, path, None if body is None else json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                return json.loads(text)["result"]
            if answer.status != 503:
                sys.exit(f"growth: {method} {path}: {answer.status} {text[:300]}")
            time.sleep(0.2)
        sys.exit(f"growth: {method} {path}: 503")

    def cpu_s(self):
        def of(pid):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / TICKS
        return of(self.process.pid) + of(self.redis.pid)

    def resident_mb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024

    def redis_bytes(self, key=None):
        if key:
            return self.ask("MEMORY", "USAGE", key, "SAMPLES", 200)
        info = self.ask("INFO", "memory")
        return int(next(line for line in info.splitlines() if line.startswith("used_memory:")).split(":")[1])

    def keys(self, pattern):
        return self.ask("KEYS", pattern)

    def cache(self):
        return [key for pattern in ("entities:*", "reservations:*", "ids:*", "index:*") for key in self.keys(pattern)]

    def counts(self):
        events = sum(self.ask("XLEN", key) for key in self.keys("events:*"))
        entities = sum(self.ask("HLEN", key) for pattern in ("entities:*", "reservations:*") for key in self.keys(pattern))
        return entities, events

    def quiet(self):
        """Whether every group has handled everything, and the cache holds it."""
        for key in self.keys("events:*"):
            last = self.ask("XREVRANGE", key, "+", "-", "COUNT", 1)
            last = last[0][0] if last else None
            if last and self.ask("GET", key.replace("events:", "position:")) != last:
                return False
            for group in self.ask("XINFO", "GROUPS", key):
                group = dict(zip(group[::2], group[1::2]))
                if group["pending"] or group["last-delivered-id"] != (last or "0-0"):
                    return False
        return True

    def open(self):
        """Starts the shop for the first time."""
        self.start()
        self.customer = self.request("POST", "/customer", {"name": "Ada", "email": "ada@example.com"})[0]
        self.product = self.request("POST", "/product", {"name": "Tea", "price": 100})[0]
        self.request("POST", "/inventory", {"product_id": self.product, "amount": 10**12})
        self.orders = []
        return self

    def fill(self, entities):
        """Sells until there are so many entities; returns how long that takes."""
        began = time.monotonic()
        while self.counts()[0] < entities:
            self.orders = self.sell(self.customer, self.product)
        wait("the shop's own work", self.quiet)
        return time.monotonic() - began

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop()
        self.redis.terminate()
        self.redis.wait()

    def sell(self, customer, product):
        """Sells a thousand orders over the asynchronous endpoints, up to their shipping."""
        def batch(path, items):
            message = self.request("POST", path, items)
            last = f"/requests/{message}"
            wait(path, lambda: self.request("GET", last)["state"] != "pending", 120)
            outcome = self.request("GET", last)
            if outcome["state"] != "done":
                sys.exit(f"growth: {path}: {outcome}")
            return [f"{message}-{n}" for n in range(len(items))]
        carts = batch("/carts", [{"customer_id": customer, "product_ids": [product]}] * BATCH)
        orders = batch("/orders", [{"cart_id": cart} for cart in carts])
        wait("reserving", lambda: self.request("GET", f"/order/{orders[-1]}")["status"] == "IN_STOCK", 120)
        batch("/billings", [{"order_id": order, "amount": 100} for order in orders])
        return orders

    def load(self, scenario, *options):
        """Runs a scenario; returns the CPU a journey, µs. A run in which the machine was too busy is repeated."""
        for _ in range(5):
            out = f"{tempfile.mkdtemp(dir=self.folder)}/run"
            before = self.cpu_s()
            run = subprocess.run(
                [f"{self.bin}/loadgen", "run", scenario, "--target", self.url, "--no-audit", "--progress", "none", "--out", out, *options],
                capture_output=True, text=True)
            used = self.cpu_s() - before
            journeys = json.loads(pathlib.Path(f"{out}/report.json").read_text())["journeys"]
            if journeys["completed"] and journeys["failed"] <= journeys["completed"] / 20:
                return used * 1e6 / journeys["completed"]
            wait("the shop's own work", self.quiet)
        sys.exit(f"growth: {scenario}: {run.stdout[-2000:]}{run.stderr[-2000:]}")


def cost(shop, rate):
    """The CPU of a journey and of each kind of read, µs."""
    few = ["--set", "products=20", "--set", "customers=20"]
    costs = {"journey": shop.load("checkout", "--rate", str(rate), "--duration", "6s", *few)}
    wait("the shop's own work", shop.quiet)
    items = ", ".join(f'{{ id = "{order}" }}' for order in shop.orders)
    for kind, (path, there) in KINDS.items():
        scenario = f"{shop.folder}/reads.toml"
        pathlib.Path(scenario).write_text(READS.format(items=items, path=path, there=there))
        costs[kind] = shop.load(scenario)
    return costs


def state(shop):
    """What a shop at rest holds."""
    entities, events = shop.counts()
    streams = sum(shop.redis_bytes(key) for key in shop.keys("events:*"))
    versions = sum(shop.redis_bytes(key) for key in shop.keys("versions:*"))
    cache = sum(shop.redis_bytes(key) for key in shop.cache())
    return {
        "entities": entities, "events": events, "shop MB": shop.resident_mb(), "Redis MB": shop.redis_bytes() / 2**20,
        "B an event": streams / events, "B a version": versions / entities, "B an entity": cache / entities}


def measure(shop, folder, rounds, rate):
    row = state(shop)
    small = Shop(shop.bin, folder).open()
    small.fill(SMALL)
    costs = [(cost(small, rate), cost(shop, rate)) for _ in range(rounds)]
    small.close()
    for name in ("journey", *KINDS):
        pairs = [(beside[name], here[name]) for beside, here in costs]
        row[f"µs a {name}"] = statistics.median(here for _, here in pairs)
        row[f"small shop's µs a {name}"] = statistics.median(beside for beside, _ in pairs)
        row[f"{name}, ratio"] = statistics.median(here / beside for beside, here in pairs)
    shop.stop()
    row["start s"] = shop.start()
    shop.stop()
    _, events = shop.counts()
    shop.ask("DEL", *shop.cache(), *shop.keys("position:*"))
    began = time.monotonic()
    shop.start()
    wait("rebuilding", shop.quiet)
    row["rebuild s"] = time.monotonic() - began
    row["rebuilt events/s"] = events / row["rebuild s"]
    return row


def tell(row):
    print(" | ".join(f"{name} {value:,.0f}" if value >= 100 else f"{name} {value:,.2f}" for name, value in row.items()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="target/release", help="the folder of ordershop and loadgen")
    parser.add_argument("--entities", default="10000,100000,1000000", help="the steps, rising")
    parser.add_argument("--rounds", type=int, default=4, help="how often both shops are loaded in turns")
    parser.add_argument("--rate", type=int, default=150, help="journeys a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(options.bin, tempfile.mkdtemp(dir=folder)).open()
        try:
            for step in map(int, options.entities.split(",")):
                filled = shop.fill(step)
                tell({"filling s": filled, **measure(shop, tempfile.mkdtemp(dir=folder), options.rounds, options.rate)})
        finally:
            shop.close()


if __name__ == "__main__":
    main()
