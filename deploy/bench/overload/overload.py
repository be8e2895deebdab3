#!/usr/bin/env python3
"""Measures what is still answered in time when more is asked for than can be done: goodput at the peak, then at 1, 2 and 3 times that
rate, and how soon the system is idle afterwards. Generator, system and Redis share this machine's cores.

    deploy/bench/overload/overload.py [--bin target/release] [--kind reads|checkouts] [--processes] [--pin | --throttle]

Goodput is what is completed within its time a second: reads within 1 s, checkouts with each step within 5 s. So that the generator isn't
the limit, --pin gives the system and its Redis the first core and the generator the others, and --throttle lets the system, without its Redis,
run 2 of each 50 ms (one process only).
"""
import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
OPTIONS = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
OPTIONS.add_argument("--bin", default=os.path.join(HERE, "../../../target/release"), help="the folder of ordershop and loadgen")
OPTIONS.add_argument("--kind", choices=["reads", "checkouts"], default="reads")
OPTIONS.add_argument("--processes", action="store_true", help="a process a service")
OPTIONS.add_argument("--throttle", action="store_true", help="the system runs 2 of each 50 ms")
OPTIONS.add_argument("--pin", action="store_true", help="the system on the first core, the generator on the others")
OPTIONS.add_argument("--users", type=int, default=256, help="users of the closed loop that finds the peak")
OPTIONS.add_argument("--seconds", type=int, default=10, help="of each rate")
OPTIONS.add_argument("--multiples", default="1,2,3", help="of the peak")
OPTIONS.add_argument("--peak", type=float, help="the peak, a second, instead of a measured one")
OPTIONS = OPTIONS.parse_args()
UNIT = {"reads": "reads", "checkouts": "journeys"}[OPTIONS.kind]
# Of each rate: it takes so long until the system has found its pace, s. A journey of several steps may take longer than one request.
WARM_UP = {"reads": 3, "checkouts": 5}[OPTIONS.kind]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pinned(cores):
    return ["taskset", "-c", cores] if OPTIONS.pin else []


class System:
    """A running OrderShop with a Redis of its own."""

    def __init__(self, folder):
        self.url = "http://127.0.0.1:%d" % free_port()
        command = pinned("0") + [os.path.join(OPTIONS.bin, "ordershop"), "up", "--listen", self.url[7:], "--data-dir", os.path.join(folder, "data")]
        if OPTIONS.processes:
            command.append("--processes")
        self.process = subprocess.Popen(command, stdout=open(os.path.join(folder, "system.log"), "wb"), stderr=subprocess.STDOUT)
        until = time.time() + 30
        while not self.healthy():
            if time.time() > until or self.process.poll() is not None:
                sys.exit("overload.py: the system did not start; its log:\n" + open(os.path.join(folder, "system.log")).read()[-2000:])
            time.sleep(0.1)

    def get(self, path, timeout=5):
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            return answer.read().decode()

    def healthy(self):
        try:
            return bool(self.get("/health"))
        except OSError:
            return False

    def left(self):
        """The messages and events that still wait to be handled."""
        metrics = re.findall(r"^ordershop_(?:queue_depth|group_backlog)\{.*\} (\d+)", self.get("/metrics"), re.M)
        return sum(map(int, metrics))

    def until_idle(self, limit_s=60):
        """Waits until nothing waits and a request is answered at once; answers whether it came to that."""
        began = time.time()
        while time.time() - began < limit_s:
            try:
                asked = time.time()
                if self.left() == 0 and time.time() - asked < 0.1:
                    return True
            except OSError:
                pass
            time.sleep(0.05)
        return False

    def end(self):
        self.process.terminate()
        self.process.wait(30)


class Health(threading.Thread):
    """Asks for the health once in a while, on new connections, and keeps how long each took."""

    def __init__(self, system):
        super().__init__(daemon=True)
        self.system, self.took, self.failed, self.going = system, [], 0, True

    def run(self):
        while self.going:
            asked = time.time()
            try:
                self.system.get("/health", timeout=10)
                self.took.append(time.time() - asked)
            except OSError:
                self.failed += 1
            time.sleep(0.25)


class Throttle(threading.Thread):
    """Lets a process run 2 of each 50 ms."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.going = pid, True

    def run(self):
        at = time.perf_counter()
        while self.going:
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(0.002)
            os.kill(self.pid, signal.SIGSTOP)
            at += 0.050
            time.sleep(max(0.0005, at - time.perf_counter()))
        os.kill(self.pid, signal.SIGCONT)

    def end(self):
        self.going = False
        self.join()


def drive(system, folder, name, *workload):
    """The goodput a second after the warm-up, the errors by step, and how long refusals take."""
    command = pinned("1-%d" % (os.cpu_count() - 1)) + [os.path.join(OPTIONS.bin, "loadgen"), "run", os.path.join(folder, OPTIONS.kind + ".toml"), "--target", system.url]
    command += ["--no-audit", "--progress", "json", "--out", os.path.join(folder, name), *workload]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    seconds, ended = [], None
    for line in run.stdout:
        event = json.loads(line)
        if event["event"] == "interval" and event["length_s"] > 0.5:
            seconds.append(event)
        if event["event"] == "failed":
            sys.exit("overload.py: loadgen: " + event["problem"])
        if event["event"] == "draining":
            ended = time.time()
            break
    # Nobody waits for what is still in flight.
    run.send_signal(signal.SIGINT), run.send_signal(signal.SIGINT)
    # It goes on telling what is left: a full pipe would keep it from its end.
    run.communicate()
    seconds = seconds[WARM_UP:]
    def per_s(figure):
        return sum(map(figure, seconds)) / max(1, len(seconds))
    errors = {}
    for second in seconds:
        for error in second["errors"]:
            name = "%s: %s" % (error["step"], error["kind"])
            errors[name] = errors.get(name, 0) + error["count"] / len(seconds)
    # A journey of reads is one request.
    good = per_s(lambda second: second["journeys"]["completed"])
    return good, errors, refusals(seconds), per_s(lambda second: second["journeys"]["dropped"]), ended


def refusals(seconds):
    """How long the first step's answers with an error take, ms: the median second's p50 and p99."""
    times = [second["steps"][0]["failed_time_us"] for second in seconds]
    times = [time for time in times if time["count"]]
    if not times:
        return "nothing refused"
    def middle(name):
        return sorted(time[name] for time in times)[len(times) // 2] / 1000
    return "refused after p50 %.0f ms, p99 %.0f ms" % (middle("p50"), middle("p99"))


def scenario(folder, workload):
    """The scenario with another workload."""
    text = open(os.path.join(HERE, OPTIONS.kind + ".toml")).read()
    old = re.search(r"^\[workload\]\n(?:.+\n)*", text, re.M).group(0)
    open(os.path.join(folder, OPTIONS.kind + ".toml"), "w").write(text.replace(old, "[workload]\n%s\n" % workload))


def main():
    with tempfile.TemporaryDirectory(prefix="overload-") as folder:
        system = System(folder)
        if OPTIONS.throttle:
            throttle = Throttle(system.process.pid)
        try:
            keys = "idempotency_keys = true\n" if OPTIONS.kind == "checkouts" else ""
            if OPTIONS.throttle:
                throttle.start()
            peak = OPTIONS.peak
            if not peak:
                scenario(folder, keys + 'kind = "closed"\nusers = %d\nduration = "%ds"' % (OPTIONS.users, OPTIONS.seconds))
                peak, errors, _, _, _ = drive(system, folder, "peak")
            if peak < 1:
                sys.exit("overload.py: nothing was completed in time; fewer --users find the peak")
            print("peak: %.0f %s/s with %d users" % (peak, UNIT, OPTIONS.users), flush=True)
            system.until_idle()
            for multiple in map(float, OPTIONS.multiples.split(",")):
                scenario(folder, keys + 'kind = "open"\nrate = %.1f\nduration = "%ds"' % (peak * multiple, OPTIONS.seconds))
                health = Health(system)
                health.start()
                good, errors, refused, dropped, ended = drive(system, folder, "x%g" % multiple)
                health.going = False
                is_idle = system.until_idle()
                shown = ", ".join("%s %.0f/s" % error for error in sorted(errors.items()))
                slowest = max(health.took, default=0)
                print("%g x (%.0f/s): goodput %.0f/s, %.0f %% of the peak; not sent %.0f/s; %s; %s; idle after %s; health: %d answers, slowest %.0f ms, %d failed" % (
                    multiple, peak * multiple, good, 100 * good / peak, dropped, shown or "no errors", refused,
                    "%.1f s" % (time.time() - ended) if is_idle else "more than 60 s", len(health.took), slowest * 1000, health.failed), flush=True)
        finally:
            if OPTIONS.throttle:
                throttle.end()
            system.end()


main()
