#!/usr/bin/env python3
"""Replaces every process of a shop under load, one after the other, and judges it: no journey may fail, and loadgen's audit must pass.

    deploy/bench/rolling-upgrade.py [--old FOLDER] [--new FOLDER] [--rate 100]

Two processes of each role run, as deploy/kubernetes has them. A new one starts; once it is ready it is sent to, and an old one is no longer;
a second later the old one gets SIGTERM. FOLDER has a build's ordershop: both the same is a rolling restart, the last release and this build
a rolling upgrade, in which both run side by side. Exit code 0: nothing failed. Needs redis-server and curl on PATH."""

import argparse
import asyncio
import json
import pathlib
import socket
import sys
import tempfile
import time

SERVERS = {"event-store": "--event-store-url", "message-queue": "--message-queue-url"}
SERVICES = ["customer", "product", "inventory", "cart", "order", "billing", "shipping", "crm", "mail"]
ROLES = [*SERVERS, "read-model", *(f"{name}-service" for name in SERVICES), "api-gateway"]
ON_REDIS = {*SERVERS, "read-model"}
COPIES = 2
# How long an old process is left alone after nobody is sent to it any more, and how long it has to end.
SETTLE_S, END_S = 1, 40


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Failed(Exception):
    """Why the shop is not judged well."""


class Balancer:
    """Hands each new connection to the next process that is in rotation."""

    def __init__(self):
        self.ports, self.tasks = [], set()

    async def listen(self):
        self.server = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def connected(self, reader, writer):
        try:
            port = self.ports.pop(0)
            self.ports.append(port)
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)
        except (IndexError, OSError):
            writer.close()
            return
        await asyncio.gather(self.copy(reader, back_writer), self.copy(back_reader, writer))

    @staticmethod
    async def copy(source, sink):
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


class Shop:
    def __init__(self, folder):
        self.folder, self.redis_port = folder, free_port()
        self.running = {role: [] for role in ROLES}
        self.processes = []

    async def open(self, build):
        self.processes.append(await asyncio.create_subprocess_exec(
            "redis-server", "--port", str(self.redis_port), "--dir", self.folder, "--save", "", "--appendonly", "yes",
            stdout=asyncio.subprocess.DEVNULL))
        self.balancers = {role: await Balancer().listen() for role in (*SERVERS, "api-gateway")}
        await asyncio.gather(*(self.join(build, role) for role in ROLES for _ in range(COPIES)))

    async def join(self, build, role):
        """Starts a process, and lets others send to it once it is ready."""
        port, process = await self.start(build, role)
        self.running[role].append((port, process))
        if role in self.balancers:
            self.balancers[role].ports.append(port)

    async def start(self, build, role):
        """Starts a process and waits until it is ready."""
        port = free_port()
        arguments = [role, "--listen", f"127.0.0.1:{port}"]
        if role in ON_REDIS:
            arguments += ["--redis-url", f"redis://127.0.0.1:{self.redis_port}"]
        if role not in SERVERS:
            for server, option in SERVERS.items():
                arguments += [option, f"http://127.0.0.1:{self.balancers[server].port}"]
        log = open(f"{self.folder}/{role}-{port}.log", "w")
        process = await asyncio.create_subprocess_exec(f"{build}/ordershop", *arguments, stdout=log, stderr=log)
        self.processes.append(process)
        until = time.monotonic() + 60
        while await self.health(port) != 0:
            if process.returncode is not None or time.monotonic() > until:
                raise Failed(f"{role} does not become ready: {pathlib.Path(log.name).read_text()[-2000:]}")
            await asyncio.sleep(0.1)
        return port, process

    @staticmethod
    async def health(port):
        asking = await asyncio.create_subprocess_exec(
            "curl", "-fsS", "--max-time", "2", f"http://127.0.0.1:{port}/health",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
        return await asking.wait()

    async def replace(self, build, role):
        """Replaces the oldest process of a role; returns how long its end took."""
        await self.join(build, role)
        port, process = self.running[role].pop(0)
        if role in self.balancers:
            self.balancers[role].ports.remove(port)
        await asyncio.sleep(SETTLE_S)
        began = time.monotonic()
        process.terminate()
        await asyncio.wait_for(process.wait(), END_S)
        if process.returncode != 0:
            raise Failed(f"{role} ended with exit code {process.returncode}; its log is {self.folder}/{role}-{port}.log")
        return time.monotonic() - began

    async def close(self):
        # Redis, which is the first, ends last.
        for process in reversed(self.processes):
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def roll(shop, options, folder):
    await shop.open(options.old)
    target = f"http://127.0.0.1:{shop.balancers['api-gateway'].port}"
    print(f"{COPIES * len(ROLES)} processes of {options.old} are ready; {options.rate} journeys a second for {options.duration} s", flush=True)
    load = await asyncio.create_subprocess_exec(
        f"{options.new}/loadgen", "run", "checkout", "--target", target, "--rate", str(options.rate), "--duration", f"{options.duration}s",
        "--progress", "none", "--out", f"{folder}/run", stdout=asyncio.subprocess.PIPE)
    await asyncio.sleep(2)
    slowest = {}
    for role in ROLES:
        for _ in range(COPIES):
            slowest[role] = max(slowest.get(role, 0), await shop.replace(options.new, role))
    if load.returncode is not None:
        raise Failed("the load ended before all processes were replaced; give it a longer --duration")
    print(f"all replaced by {options.new}; the slowest end took {max(slowest.values()):.2f} s ({max(slowest, key=slowest.get)})", flush=True)
    said, _ = await load.communicate()
    report = json.loads(pathlib.Path(f"{folder}/run/report.json").read_text())
    print(said.decode(), end="")
    return load.returncode, report["journeys"]["failed"]


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", default="target/release", help="the folder of the build that runs [default: %(default)s]")
    parser.add_argument("--new", default="target/release", help="the folder of the build that replaces it, and of loadgen [default: %(default)s]")
    parser.add_argument("--rate", type=int, default=100, help="journeys a second [default: %(default)s]")
    parser.add_argument("--duration", type=int, default=75, help="how long they come, in s [default: %(default)s]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(folder)
        try:
            code, failed = await roll(shop, options, folder)
        except Failed as why:
            sys.exit(f"rolling-upgrade: {why}")
        finally:
            await shop.close()
    print(f"failed journeys: {failed}; loadgen's exit code: {code}")
    sys.exit(1 if failed or code else 0)


if __name__ == "__main__":
    asyncio.run(main())
