"""The images, commands, options and variables of the manifests exist, and the roles started with them answer their probes: without Redis
they are alive and not ready, with it they are ready."""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from manifests import pods_of
from references import PLACE, environment

ROOT = pathlib.Path(__file__).resolve().parents[3]
# All roles together, each time that they are asked.
START_S_MAX = 60


def check(documents, secrets, folder, say):
    version = subprocess.run(["bash", ROOT / "deploy/release/version.sh"], capture_output=True, text=True, check=True).stdout.strip()
    redis = re.search(r"REDIS_IMAGE:-([^}]+)}", (ROOT / "compose.yaml").read_text()).group(1)
    data = {(d["kind"], d["metadata"]["name"]): d.get("data") or d.get("stringData") for d in documents + secrets}
    pods = pods_of(documents)
    for pod in pods:
        image, name = pod.container["image"], pod.container["name"]
        if image != (redis if name == "redis" else f"{name}:{version}"):
            say(f"{pod.name}: the image {image} is neither of this version nor that of compose.yaml")
        if name != "redis":
            dockerfile = ROOT / f"deploy/release/{name}.Dockerfile"
            context = pod.spec["securityContext"]
            if f"USER {context['runAsUser']}:{context['runAsGroup']}\n" not in dockerfile.read_text():
                say(f"{pod.name}: its user is not that of {dockerfile.relative_to(ROOT)}")
            command_line(pod, folder / name, environment(pod, data), say)
    started(pods, data, folder / "ordershop", say)


def command_line(pod, program, variables, say):
    command, *arguments = pod.container["args"]
    help_text = subprocess.run([program, command, "--help"], capture_output=True, text=True)
    if help_text.returncode:
        say(f"{pod.name}: {program.name} has no command {command}")
        return
    if command == "run":
        scenario = subprocess.run([program, "check", arguments.pop(0)], capture_output=True, text=True)
        if scenario.returncode:
            say(f"{pod.name}: {scenario.stderr.strip()}")
    for argument in arguments:
        option = argument.split("=")[0]
        if not re.search(rf"^ +(-\w, )?{re.escape(option)} ", help_text.stdout, re.MULTILINE):
            say(f"{pod.name}: {program.name} {command} has no option {option}")
    text = " ".join(help_text.stdout.split())
    for variable in variables:
        is_used = any(f"$({variable})" in argument for argument in arguments)
        if not is_used and f"[env: {variable}" not in text and f"{variable} Log to stderr" not in text:
            say(f"{pod.name}: {program.name} {command} reads no variable {variable}")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def started(pods, data, program, say):
    """Starts Redis and each role once, with the arguments and variables of the manifests; only addresses and folders are others."""
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    if not server:
        unable("the roles were not started: no redis-server or valkey-server on PATH (make redis)", say)
        return
    pods = [pod for pod in pods if pod.container["name"] in ("redis", "ordershop")]
    ports = {pod.name: free_port() for pod in pods}
    by_service = {pod.name.split()[1]: ports[pod.name] for pod in pods}
    with contextlib.ExitStack() as ending:
        work = pathlib.Path(ending.enter_context(tempfile.TemporaryDirectory()))
        (work / "data").mkdir()
        (work / "users.acl").write_text(data["Secret", "ordershop"]["users.acl"])

        def here(text, variables):
            for name, value in variables.items():
                text = text.replace(f"$({name})", value or "here")
            text = re.sub(r"0\.0\.0\.0:\d+", f"127.0.0.1:{own}", text)
            # The host of an address stands behind the user's name and password.
            before, at, after = text.rpartition("@")
            after = PLACE.sub(lambda found: f"127.0.0.1:{by_service.get(found[1], found[2])}", after)
            return (before + at + after).replace("/etc/redis", str(work)).replace("/data", str(work / "data"))

        running, redis = {}, None
        for pod in pods:
            own = ports[pod.name]
            variables = environment(pod, data)
            arguments = [here(argument, variables) for argument in pod.container["args"]]
            variables = {name: here(value, {}) for name, value in variables.items()}
            if pod.container["name"] == "redis":
                redis = [server, "--port", str(own), *arguments]
                continue
            log = ending.enter_context(open(work / f"{pod.name.split()[1]}.log", "w"))
            process = subprocess.Popen([program, *arguments], env={"PATH": os.environ["PATH"], **variables}, stdout=log, stderr=log)
            ending.callback(stop, process)
            running[pod.name] = (pod, process, log.name)

        def probe(kind, wanted, when):
            limit = time.monotonic() + START_S_MAX
            for name, (pod, process, log) in running.items():
                get = pod.container[kind]["httpGet"]
                status = wait_for(ports[name], get["path"], wanted, process, limit)
                if status != wanted:
                    say(f"{name}: its {kind} {get['path']} is answered {status} {when}, not {wanted}\n{tail(log)}")

        probe("startupProbe", 200, "without Redis")
        probe("livenessProbe", 200, "without Redis")
        probe("readinessProbe", 503, "without Redis")
        with open(work / "redis.log", "w") as log:
            process = subprocess.Popen(redis, stdout=log, stderr=log)
        ending.callback(stop, process)
        ready = next(pod for pod in pods if pod.container["name"] == "redis").container["readinessProbe"]["exec"]["command"]
        client = shutil.which(ready[0]) or shutil.which("valkey-cli")
        if client:
            # What is asked for is the right to do so; the server has another port here.
            asked = [client, "-p", str(ports["StatefulSet redis"]), *ready[1:]]
            if not within(lambda: subprocess.run(asked, capture_output=True).returncode == 0, process, time.monotonic() + START_S_MAX):
                say(f"StatefulSet redis: {' '.join(ready)} fails\n{tail(log.name)}")
        else:
            print(f"kubernetes-check: NOT TESTED: {' '.join(ready)}: it is not installed")
        probe("readinessProbe", 200, "with Redis")


def unable(what, say):
    """Says what could not be checked; a problem where every tool must be there, as in CI."""
    if os.environ.get("EVERY_TOOL"):
        say(f"NOT TESTED: {what}; EVERY_TOOL is set")
    else:
        print(f"kubernetes-check: NOT TESTED: {what}")


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


def wait_for(port, path, wanted, process, limit):
    """The status of a path once it is the one that is wanted; else the last one, or what happened instead."""
    status = "by nobody"

    def answered():
        nonlocal status
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            # gRPC answers an unknown path with 200, and the refusal in another header.
            is_grpc = answer.getheader("content-type", "").startswith("application/grpc")
            status = 404 if is_grpc else answer.status
        except OSError:
            pass
        finally:
            connection.close()
        # An unknown path stays unknown.
        return status in (wanted, 404)

    within(answered, process, limit)
    return status if process.poll() is None else f"by nobody, for it ended with {process.returncode},"


def tail(log):
    return "".join(f"    {line}\n" for line in pathlib.Path(log).read_text().splitlines()[-5:])
