"""The images, commands, options and variables of the manifests exist, and the roles started with them answer their probes: without Redis
they are alive and not ready, with it they are ready."""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from manifests import pods_of
from references import environment
from servers import Servers, adapted, free_port, stop, tail, within

ROOT = pathlib.Path(__file__).resolve().parents[3]
# The containers with a program of this repository; all others have Redis's image.
OWN = ("ordershop", "loadgen")
# All roles together, each time that they are asked.
START_S_MAX = 60
ANSWER_S_MAX = 5
# The exit code of a role that Redis can't carry.
UNABLE = 2


def check(documents, secrets, folder, say):
    version = subprocess.run(["bash", ROOT / "deploy/release/version.sh"], capture_output=True, text=True, check=True).stdout.strip()
    redis = re.search(r"REDIS_IMAGE:-([^}]+)}", (ROOT / "compose.yaml").read_text()).group(1)
    data = {(d["kind"], d["metadata"]["name"]): d.get("data") or d.get("stringData") for d in documents + secrets}
    pods = pods_of(documents)
    for pod in pods:
        for container in pod.containers:
            image, name = container["image"], container["name"]
            if image != (f"{name}:{version}" if name in OWN else redis):
                say(f"{pod.name}: the image {image} is neither of this version nor that of compose.yaml")
        name = pod.container["name"]
        if name in OWN:
            dockerfile = ROOT / f"deploy/release/{name}.Dockerfile"
            context = pod.spec["securityContext"]
            if f"USER {context['runAsUser']}:{context['runAsGroup']}\n" not in dockerfile.read_text():
                say(f"{pod.name}: its user is not that of {dockerfile.relative_to(ROOT)}")
            command_line(pod, folder / name, environment(pod.container, data), say)
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


def started(pods, data, program, say):
    """Starts Redis and each role once, with the arguments and variables of the manifests; only addresses and folders are others."""
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    client = shutil.which("redis-cli") or shutil.which("valkey-cli")
    if not (server and client):
        unable("the roles were not started: no redis-server and redis-cli, nor those of Valkey, on PATH (make redis)", say)
        return
    [redis] = [pod for pod in pods if pod.container["name"] == "redis"]
    # Of a cluster, the Job that makes it.
    job = next((pod for pod in pods if pod.name.startswith("Job") and pod.container["name"] not in OWN), None)
    roles = [pod for pod in pods if pod.container["name"] == "ordershop"]
    with contextlib.ExitStack() as ending:
        work = pathlib.Path(ending.enter_context(tempfile.TemporaryDirectory()))
        servers = Servers(redis, job, data, work, (server, client), ending)
        places = servers.free_places() | {pod.hosts[0]: free_port() for pod in roles}
        running = {}

        def start(pod):
            own = places[pod.hosts[0]]
            variables = environment(pod.container, data)
            arguments = [adapted(argument, own, places, variables) for argument in pod.container["args"]]
            variables = {name: adapted(value, own, places) for name, value in variables.items()}
            log = ending.enter_context(open(work / f"{pod.hosts[0]}.log", "a"))
            process = subprocess.Popen([program, *arguments], env={"PATH": os.environ["PATH"], **variables}, stdout=log, stderr=log)
            ending.callback(stop, process)
            running[pod.name] = (own, process, log.name)

        for pod in roles:
            start(pod)

        def probe(kind, wanted, when):
            limit = time.monotonic() + START_S_MAX
            for pod in roles:
                name, get = pod.name, pod.container[kind]["httpGet"]
                own, process, log = running[name]
                status = wait_for(own, get["path"], wanted, process, limit)
                # A replica isn't there yet: Kubernetes starts it again, too.
                while servers.running and process.poll() == UNABLE and time.monotonic() < limit:
                    time.sleep(1)
                    start(pod)
                    own, process, log = running[name]
                    status = wait_for(own, get["path"], wanted, process, limit)
                if status != wanted:
                    say(f"{name}: its {kind} {get['path']} is answered {status} {when}, not {wanted}\n{tail(log)}")

        probe("startupProbe", 200, "without Redis")
        probe("livenessProbe", 200, "without Redis")
        probe("readinessProbe", 503, "without Redis")
        if job:
            cluster(servers, say)
        servers.start(places)
        for problem in servers.all_ready(time.monotonic() + START_S_MAX):
            say(f"{redis.name}: {problem}")
        probe("readinessProbe", 200, "with Redis")
        partitions(running, data, say)


def cluster(servers, say):
    """The Job makes one cluster of the nodes, and then finds that it is made. Started anew, they will be at other places."""
    limit = time.monotonic() + START_S_MAX
    servers.start(servers.free_places())
    if servers.ready(servers.pod.hosts[0]):
        say(f"{servers.pod.name}: {servers.pod.hosts[0]} is ready before there is a cluster")
    for time_of in ("first", "second"):
        problem = servers.run_job(limit)
        if problem:
            say(f"{servers.job.name}: the {time_of} time {problem}")
            break
        for problem in servers.all_ready(limit):
            say(f"{servers.pod.name}: {problem}")
    servers.stop()


def partitions(running, data, say):
    """The gateway knows as many partitions as the settings say."""
    count = int(data["ConfigMap", "ordershop"]["PARTITIONS"])
    name = "Deployment api-gateway"
    own, process, log = running[name]
    for index, wanted in ((count - 1, 200), (count, 404)):
        path = f"/events/order.{index}" if index else "/events/order"
        status = wait_for(own, path, wanted, process, time.monotonic() + ANSWER_S_MAX)
        if status != wanted:
            say(f"{name}: {path} is answered {status}, not {wanted}, with {count} partitions\n{tail(log)}")


def unable(what, say):
    """Says what could not be checked; a problem where every tool must be there, as in CI."""
    if os.environ.get("EVERY_TOOL"):
        say(f"NOT TESTED: {what}; EVERY_TOOL is set")
    else:
        print(f"kubernetes-check: NOT TESTED: {what}")


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

