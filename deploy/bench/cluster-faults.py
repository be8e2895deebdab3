#!/usr/bin/env python3
"""Holds the shop on a Redis Cluster against loadgen's audit while something goes wrong. Each case has six servers of its own (three masters,
a replica each), a shop and a load. The seed decides what is struck, and when.

    deploy/bench/cluster-faults.py [--case NAME] [--seed 1] [--seeds 1] [--rate 100] [--duration 30] [--bin target/release]
                                   [--out DIR] [-- options of ordershop up]

slots      ten slots move to another master, with all their keys
killed     a master is killed; its replica takes its place, and it comes back as a replica
paused     a master is paused until its replica has taken its place, and goes on: for a moment it still takes itself for the master
partition  a master is cut off from the other nodes, or from the shop too, until its replica has taken its place, and comes back
services   the shop has a process for each service, and each of them is killed once

Exit code 0 only if every audit held. Needs Linux, redis-server and redis-cli 7.0 or newer; `partition` needs root and iptables, because it
drops what goes between the nodes' addresses, 127.0.77.1 to 127.0.77.6."""

import argparse
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

NODE_TIMEOUT_MS = 2_000
HOST = "127.0.77.{}"
REPLICAS = 3
SLOTS = 16_384
# Streams with all that is made of them, queues, and what all share.
MOVED = ["events:{order}", "events:{cart}", "events:{billing}", "events:{shipping}", "events:{inventory}", "mq:{order-service.create_order}",
         "mq:{cart-service.create_cart}", "mq:{read-model.get_facts}", "mq:processes", "mq:functions"]


def until(what, holds, patience=90):
    deadline = time.monotonic() + patience
    while not (held := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {patience} s: {what}")
        time.sleep(0.05)
    return held


def free_port(host):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


class Node:
    def __init__(self, number, folder):
        self.host = HOST.format(number + 1)
        self.port, self.bus = free_port(self.host), free_port(self.host)
        self.folder = folder / f"node-{number}"
        self.folder.mkdir()
        self.start()

    def start(self):
        self.is_struck = False
        self.process = subprocess.Popen(
            ["redis-server", "--bind", self.host, "--bind-source-addr", self.host, "--port", str(self.port), "--cluster-enabled", "yes",
             "--cluster-port", str(self.bus), "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-replica-validity-factor", "0",
             "--repl-diskless-sync-delay", "0", "--appendonly", "yes", "--save", "", "--protected-mode", "no", "--dir", str(self.folder),
             "--logfile", "log"], start_new_session=True)
        until(f"{self.host} answers", lambda: self.ask("ping") == "PONG")

    def ask(self, *words):
        """The answer as text; empty if there is none."""
        command = ["redis-cli", "-h", self.host, "-p", str(self.port), *map(str, words)]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
        except subprocess.TimeoutExpired:
            return ""

    def says(self, part, *words):
        return part in self.ask(*words)

    def strike(self, name):
        self.process.send_signal(name)
        self.is_struck = True

    def is_master(self):
        return self.says("role:master", "info", "replication")


class Cluster:
    def __init__(self, folder):
        self.nodes = []
        for number in range(2 * REPLICAS):
            self.nodes.append(Node(number, folder))
        first, masters, replicas = self.nodes[0], self.nodes[:REPLICAS], self.nodes[REPLICAS:]
        for number, node in enumerate(self.nodes):
            # Otherwise two of them may begin with the same epoch, and have to agree first.
            node.ask("cluster", "set-config-epoch", number + 1)
            node.ask("cluster", "meet", first.host, first.port, first.bus)
        for number, node in enumerate(masters):
            node.ask("cluster", "addslotsrange", SLOTS * number // REPLICAS, SLOTS * (number + 1) // REPLICAS - 1)
        for node in self.nodes:
            until("all know each other", lambda: node.says("cluster_known_nodes:6", "cluster", "info"))
        for master, replica in zip(masters, replicas):
            until("it is a replica", lambda: replica.ask("cluster", "replicate", master.ask("cluster", "myid")) == "OK")
            self.is_in_step(replica)
        self.works()

    def works(self):
        for node in self.answering():
            until("the cluster works", lambda: node.says("cluster_state:ok", "cluster", "info"))

    def is_in_step(self, node):
        until("it is a replica in step", lambda: node.says("master_link_status:up", "info", "replication"))

    def answering(self):
        return [node for node in self.nodes if not node.is_struck]

    def owner(self, slot):
        """The node that has a slot, as those say that are not struck; None while there is none."""
        for asked in self.answering():
            for line in asked.ask("cluster", "nodes").splitlines():
                name, _, flags, *rest = line.split(" ")
                ranges = [part.split("-") for part in rest[5:] if not part.startswith("[")]
                if "master" in flags and "fail" not in flags and any(int(each[0]) <= slot <= int(each[-1]) for each in ranges):
                    return next((node for node in self.answering() if node.ask("cluster", "myid") == name), None)
        return None

    def slot(self, key):
        return int(self.answering()[0].ask("cluster", "keyslot", key))

    def epoch(self, node):
        return next((line for line in node.ask("cluster", "info").splitlines() if line.startswith("cluster_current_epoch:")), "")

    def move(self, key, to):
        """Moves the slot of a key, with its keys."""
        # Otherwise its next owner may take an epoch below that of the former one: then each says that the other has it.
        until("all know one epoch", lambda: len({self.epoch(node) for node in self.answering()}) == 1)
        slot = self.slot(key)
        source = self.owner(slot)
        if source is to:
            return
        names = {node: node.ask("cluster", "myid") for node in (source, to)}
        to.ask("cluster", "setslot", slot, "importing", names[source])
        source.ask("cluster", "setslot", slot, "migrating", names[to])
        while keys := source.ask("cluster", "getkeysinslot", slot, 100).split("\n"):
            if keys == [""]:
                break
            source.ask("migrate", to.host, to.port, "", 0, 5000, "keys", *keys)
        for node in [to, source, *self.nodes]:
            if node.is_master():
                node.ask("cluster", "setslot", slot, "node", names[to])

    def end(self):
        for node in self.nodes:
            node.process.kill()
            node.process.wait()


class Shop:
    def __init__(self, cluster, folder, options):
        self.log = open(folder / "shop.log", "w")
        self.listen = f"127.0.0.1:{free_port('127.0.0.1')}"
        nodes = ",".join(f"{node.host}:{node.port}" for node in cluster.nodes[:2])
        self.process = subprocess.Popen(
            [args.bin / "ordershop", "up", "--listen", self.listen, "--redis-url", f"redis+cluster://{nodes}", *options, *args.options],
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        until("the shop is ready", self.is_ready)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.listen}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def services(self):
        """The processes of the services, by name."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[1]: int(pid) for pid in children}

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def some_master(cluster, chance):
    """A master that has a topic, and one of its slots."""
    slot = cluster.slot(chance.choice(MOVED[:5]))
    return cluster.owner(slot), slot


def fails_over(cluster, slot, struck):
    until("its replica takes its place", lambda: cluster.owner(slot) not in (None, struck))
    cluster.works()


def slots(cluster, shop, chance):
    for key in chance.sample(MOVED, len(MOVED)):
        others = [node for node in cluster.nodes if node.is_master() and node is not cluster.owner(cluster.slot(key))]
        cluster.move(key, chance.choice(others))
        time.sleep(chance.uniform(0, 0.5))


def killed(cluster, shop, chance):
    master, slot = some_master(cluster, chance)
    master.strike(signal.SIGKILL)
    master.process.wait()
    fails_over(cluster, slot, master)
    time.sleep(chance.uniform(0, 2))
    master.start()
    cluster.is_in_step(master)


def paused(cluster, shop, chance):
    master, slot = some_master(cluster, chance)
    master.strike(signal.SIGSTOP)
    fails_over(cluster, slot, master)
    time.sleep(chance.uniform(0, 2))
    master.strike(signal.SIGCONT)
    master.is_struck = False
    cluster.is_in_step(master)


def partition(cluster, shop, chance):
    master, slot = some_master(cluster, chance)
    others = chance.choice([HOST.format("0/24"), "127.0.0.0/8"])
    ways = [["INPUT", "-s", others, "-d", master.host, "-j", "DROP"], ["INPUT", "-s", master.host, "-d", others, "-j", "DROP"]]
    master.is_struck = True
    try:
        for way in ways:
            subprocess.run(["iptables", "-w", "-I", *way], check=True)
        fails_over(cluster, slot, master)
        time.sleep(chance.uniform(0, 2))
    finally:
        for way in ways:
            subprocess.run(["iptables", "-w", "-D", *way], check=False)
    master.is_struck = False
    cluster.is_in_step(master)


def services(cluster, shop, chance):
    found = list(shop.services().items())
    for name, pid in chance.sample(found, len(found)):
        os.kill(pid, signal.SIGKILL)
        until(f"{name} is started again", lambda: shop.services().get(name, pid) != pid)
        time.sleep(chance.uniform(0, 0.5))


CASES = {slots: [], killed: ["--replicas-ack", "1"], paused: ["--replicas-ack", "1"], partition: ["--replicas-ack", "1"],
         services: ["--processes"]}


def run(case, options, seed):
    """Runs a case; prints its row, and returns whether the audit held."""
    # What is asked for replaces the case's own.
    options = [] if set(options) & set(args.options) else options
    folder = args.out / f"{case.__name__}-{seed}"
    folder.mkdir(parents=True)
    chance = random.Random(f"{case.__name__} {seed}")
    cluster, shop, load = None, None, None
    try:
        cluster = Cluster(folder)
        shop = Shop(cluster, folder, options)
        with open(folder / "load.log", "w") as log:
            load = subprocess.Popen(
                [args.bin / "loadgen", "run", "checkout", "--target", f"http://{shop.listen}", "--rate", str(args.rate),
                 "--duration", f"{args.duration}s", "--seed", str(seed), "--out", folder / "report"], stdout=log, stderr=log)
        until("the load has begun", lambda: "\n3/" in (folder / "load.log").read_text())
        time.sleep(chance.uniform(0, 3))
        case(cluster, shop, chance)
        load.wait(600)
        report = json.loads((folder / "report" / "report.json").read_text())
        journeys, checks = report["journeys"], report.get("audit", {}).get("checks")
        fell = [f"{check['name']}: {check['fell']} of {check['checked']}" for check in checks or [] if check["fell"]]
        if not checks:
            # The audit was not made, or not ended.
            fell = report["verdict"]["reasons"]
        row = [case.__name__, seed, journeys["completed"], journeys["failed"], "; ".join(fell) or "PASS"]
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
        return not fell
    finally:
        if load and load.poll() is None:
            load.kill()
        for started in (shop, cluster):
            if started:
                started.end()


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--case", choices=[case.__name__ for case in CASES])
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--seeds", type=int, default=1, help="how many, from the first one on")
parser.add_argument("--rate", type=int, default=100, help="journeys a second")
parser.add_argument("--duration", type=int, default=30, help="of the load, s")
parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("target/release"), help="the folder of ordershop and loadgen")
parser.add_argument("--out", type=pathlib.Path, help="a folder for logs and reports")
parser.add_argument("options", nargs="*", metavar="-- options of ordershop up")
args = parser.parse_args()
# So that what was started ends, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
args.out = args.out or pathlib.Path(tempfile.mkdtemp())
print("| case | seed | completed | failed | audit |\n|---|---:|---:|---:|---|", flush=True)
held = [run(case, options, seed) for seed in range(args.seed, args.seed + args.seeds) for case, options in CASES.items()
        if args.case in (None, case.__name__)]
print(f"reports and logs: {args.out}", file=sys.stderr)
sys.exit(0 if all(held) else 1)
