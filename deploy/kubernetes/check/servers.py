"""Starts the Redis of the manifests on this machine: the one server, or the nodes of a cluster with their sidecars, and its Job. Only addresses
and folders are others than the manifests have."""

import os
import pathlib
import random
import re
import shlex
import socket
import subprocess
import time

from references import PLACE, environment

ADDRESS = "127.0.0.1"
# A node's bus has its port and so much.
BUS = 10_000


class Servers:
    def __init__(self, pod, job, data, work, programs, ending):
        self.pod, self.job, self.data, self.work, self.ending = pod, job, data, work, ending
        self.server, self.client = programs
        self.running, self.sidecars = {}, []
        (work / "users.acl").write_text(data["Secret", "ordershop"]["users.acl"])

    def free_places(self):
        """A free port for each server, by its name."""
        return {host: free_port() for host in self.pod.hosts}

    def start(self, places):
        self.places = places
        for host in self.pod.hosts:
            folder = self.work / host
            folder.mkdir(exist_ok=True)
            arguments = [self.here(argument, host, self.pod.container) for argument in self.pod.container["args"]]
            self.running[host] = self.spawn(host, [self.server, "--port", str(places[host]), *arguments])
            for container in self.pod.containers[1:]:
                self.sidecars.append(self.spawn(f"{host}.{container['name']}", *self.command(container, host)))

    def stop(self):
        processes = [*self.running.values(), *self.sidecars]
        self.running, self.sidecars = {}, []
        for process in processes:
            process.terminate()
        for process in processes:
            stop(process)

    def ready(self, host):
        """Whether a server's readiness probe holds."""
        probe = {"command": self.pod.container["readinessProbe"]["exec"]["command"], "env": self.pod.container["env"]}
        command, variables = self.command(probe, host)
        return subprocess.run(command, env=variables, capture_output=True).returncode == 0

    def all_ready(self, limit):
        """What keeps a server from being ready, one line each."""
        unready = [host for host, process in self.running.items() if not within(lambda: self.ready(host), process, limit)]
        return [f"{host} is not ready\n{tail(self.log(host))}" for host in unready]

    def run_job(self, limit):
        """Runs the Job once. What it ended with, unless it did its work."""
        command, variables = self.command(self.job.container, None)
        try:
            ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=limit - time.monotonic())
        except subprocess.TimeoutExpired:
            return "it doesn't end"
        return f"it ended with {ended.returncode}\n{ended.stdout[-500:]}{ended.stderr[-500:]}" if ended.returncode else None

    def command(self, container, host):
        texts = [*container["command"], *container.get("args", [])]
        own = self.places[host or self.pod.hosts[0]]
        # Whoever asks its own server has another port here.
        texts = [re.sub(r"\bredis-cli\b", f"{shlex.quote(self.client)} -p {own}", text) for text in texts]
        if container["command"][0] == "redis-cli":
            texts[:1] = [self.client, "-p", str(own)]
        variables = {name: self.here(value, host, container) for name, value in environment(container, self.data).items()}
        return [self.here(text, host, container) for text in texts], {"PATH": os.environ["PATH"], **variables}

    def here(self, text, host, container):
        variables = environment(container, self.data)
        if "POD_IP" in variables:
            variables["POD_IP"] = ADDRESS
        text = adapted(text, self.places.get(host), self.places, variables)
        return text.replace("/etc/redis", str(self.work)).replace("/data", str(self.work / str(host)))

    def spawn(self, name, command, variables=None):
        with open(self.log(name), "a") as log:
            process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
        self.ending.callback(stop, process)
        return process

    def log(self, name):
        return self.work / f"{name}.log"


def adapted(text, own, places, variables=()):
    """A text of the manifests as it is here: with the values of variables, and ports of this machine for names and for its own address."""
    for name in variables:
        text = text.replace(f"$({name})", variables[name] or "here")
    text = re.sub(r"0\.0\.0\.0:\d+", f"{ADDRESS}:{own}", text)
    # The host of an address stands behind the user's name and password.
    before, at, after = text.rpartition("@")
    return before + at + PLACE.sub(lambda found: f"{ADDRESS}:{places.get(found[1], found[2])}", after)


# A random order, so that two checks at once seldom try the same ones. Ports and those of buses lie below those that the system gives to
# connections; none is given twice.
PORTS = iter(random.sample(range(10_000, 20_000), 10_000))


def free_port():
    """A free port, of which that of the bus is free as well."""
    for port in PORTS:
        with socket.socket() as one, socket.socket() as bus:
            try:
                one.bind((ADDRESS, port))
                bus.bind((ADDRESS, port + BUS))
            except OSError:
                continue
        return port
    raise SystemExit("check/servers.py: there is no free port")


def stop(process):
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def within(holds, process, limit):
    while process.poll() is None:
        if holds():
            return True
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return False


def tail(log):
    return "".join(f"    {line}\n" for line in pathlib.Path(log).read_text().splitlines()[-5:])
