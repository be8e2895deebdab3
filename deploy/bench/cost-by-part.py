#!/usr/bin/env python3
"""Says what a journey costs, by part: CPU of each service's process and of Redis, and the commands of Redis. The figures of docs/scale.md.

    deploy/bench/cost-by-part.py [--rate 100] [--duration 20] [--bin target/release] [--redis URL] [-- options of ordershop up]

Starts `ordershop up --processes` on a Redis of its own, or on the one that is named, and drives it with the scenario `checkout`. Nothing else
may run on the machine. A service's CPU has its gRPC in it, which one process hasn't. Servers that belong to others count as Redis too. Needs Linux."""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

TICKS_S = os.sysconf("SC_CLK_TCK")
WARM_UP_S = 2


def arguments(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def processes(bin_folder):
    """The processes of the shop and all servers, by what they do."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = arguments(pid)
        except OSError:
            continue
        program = os.path.basename(words[0].split(" ")[0])
        if program == "ordershop" and os.path.dirname(words[0]) == str(bin_folder):
            found.setdefault(words[1], []).append(pid)
        elif program.startswith(("redis-server", "valkey-server")):
            found.setdefault("redis", []).append(pid)
    return found


def command_calls(url):
    """How often Redis has carried each command out, by name."""
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()
    calls = {}
    for line in text.splitlines():
        if line.startswith("ordershop_redis_calls_total{"):
            name = line.split('"')[1]
            calls[name] = float(line.rsplit(" ", 1)[1])
    return calls


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100, help="journeys a second")
    parser.add_argument("--duration", type=int, default=20, help="of the load that is counted, s")
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("target/release"), help="the folder of ordershop and loadgen")
    parser.add_argument("--redis", help="the address of a Redis, whose database is empty")
    parser.add_argument("options", nargs="*", metavar="-- options of ordershop up")
    args = parser.parse_args()
    bin_folder = args.bin.resolve()
    with tempfile.TemporaryDirectory() as folder:
        place = ["--redis-url", args.redis] if args.redis else ["--data-dir", f"{folder}/data"]
        up = [bin_folder / "ordershop", "up", "--processes", "--listen", "127.0.0.1:0", *place, *args.options]
        shop = subprocess.Popen(up, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        url = next(word for word in shop.stdout.readline().split() if word.startswith("http"))
        seconds = WARM_UP_S + args.duration + 1
        load = [bin_folder / "loadgen", "run", "checkout", "--target", url, "--rate", str(args.rate), "--duration", f"{seconds}s", "--no-audit",
                "--out", f"{folder}/run"]
        driver = subprocess.Popen(load, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(WARM_UP_S + 2)
        all_processes = processes(bin_folder)
        before = {part: sum(map(cpu_s, pids)) for part, pids in all_processes.items()}
        calls_before, began = command_calls(url), time.monotonic()
        time.sleep(args.duration - 4)
        after = {part: sum(map(cpu_s, pids)) for part, pids in all_processes.items()}
        calls_after, took_s = command_calls(url), time.monotonic() - began
        driver.wait()
        shop.terminate()
        shop.wait()
    journeys = args.rate * took_s
    print(f"{args.rate} journeys a second, {took_s:.1f} s\n\n| part | CPU a journey, ms |\n|---|---:|")
    for part in sorted(before, key=lambda part: before[part] - after[part]):
        print(f"| {part} | {(after[part] - before[part]) * 1000 / journeys:.3f} |")
    print("\n| Redis command | calls a journey |\n|---|---:|")
    calls = {name: (calls_after[name] - calls_before.get(name, 0)) / journeys for name in calls_after}
    for name, count in sorted(calls.items(), key=lambda one: -one[1])[:15]:
        print(f"| {name} | {count:.1f} |")


if __name__ == "__main__":
    main()
