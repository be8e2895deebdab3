"""What one manifest names of another is there: labels, ports, Services, Secrets, settings, volumes."""

import re

from manifests import name_of, pods_of, selects

# A name and a port, as in http://event-store:5001. An address is no name.
PLACE = re.compile(r"(?<![\w.-])([a-z][a-z0-9.-]*):(\d{4,5})\b")


def check(documents, secrets, say):
    pods = pods_of(documents)
    data = {(d["kind"], d["metadata"]["name"]): d.get("data") or d.get("stringData") or {} for d in documents + secrets}
    for document in documents:
        selectors(document, pods, documents, say)
        if document["kind"] == "StatefulSet" and "--cluster-enabled" in document["spec"]["template"]["spec"]["containers"][0]["args"]:
            cluster(document, documents, say)
    for pod in pods:
        # Redis keeps something, so of several pods one at a time may go; agents of a load may all.
        if pod.name.startswith("Deployment") or (pod.replicas > 1 and pod.container["name"] == "redis"):
            budgets = [d for d in documents if d["kind"] == "PodDisruptionBudget" and selects(d["spec"]["selector"], pod.labels)]
            if len(budgets) != 1:
                say(f"{pod.name}: {len(budgets)} PodDisruptionBudgets select its pods, not 1")
        for container in pod.containers:
            parts(pod, container, data, say)
            safety(pod, container, say)
        volumes(pod, data, say)
        for host, port in places(pod, data):
            place(pod, host, int(port), documents, say)


def cluster(document, documents, say):
    """None of a cluster's nodes is ready before all of them have found each other by name, and a container that ends first is no sidecar. A
    schema knows none of these words."""
    name, spec = name_of(document), document["spec"]
    service = next((d for d in documents if name_of(d) == f"Service {spec['serviceName']}"), {"spec": {}})["spec"]
    wanted = {
        "podManagementPolicy: Parallel": spec.get("podManagementPolicy") == "Parallel",
        "a Service with clusterIP: None": service.get("clusterIP") == "None",
        "a Service with publishNotReadyAddresses": service.get("publishNotReadyAddresses") is True,
        "sidecars with restartPolicy: Always": all(
            own.get("restartPolicy") == "Always" for own in spec["template"]["spec"].get("initContainers", [])
        ),
    }
    for what, holds in wanted.items():
        if not holds:
            say(f"{name}: it lacks: {what}")


def selectors(document, pods, documents, say):
    kind, name, spec = document["kind"], name_of(document), document.get("spec", {})
    if kind in ("Deployment", "StatefulSet"):
        taken = [pod.name for pod in pods if selects(spec["selector"], pod.labels)]
        if taken != [name]:
            say(f"{name}: its selector takes the pods of {taken or 'nobody'}, not its own alone")
        if kind == "StatefulSet" and not has(documents, "Service", spec["serviceName"]):
            say(f"{name}: there is no Service {spec['serviceName']}")
    elif kind == "Service":
        taken = [pod for pod in pods if selects({"matchLabels": spec["selector"]}, pod.labels)]
        if not taken:
            say(f"{name}: its selector takes no pods")
        for port in spec["ports"]:
            for pod in taken:
                if pod.port(port["targetPort"]) is None:
                    say(f"{name}: {pod.name} has no port {port['targetPort']}")
                elif spec.get("clusterIP") != "None" and pod.port(port["targetPort"]) != port["port"]:
                    say(f"{name}: its port {port['port']} leads to {pod.port(port['targetPort'])} of {pod.name}, not to the same")
    elif kind == "PodDisruptionBudget":
        if not any(selects(spec["selector"], pod.labels) and pod.replicas > 1 for pod in pods):
            say(f"{name}: its selector takes no pods of which there are two")
    elif kind == "ServiceMonitor":
        services = [d for d in documents if d["kind"] == "Service" and selects(spec["selector"], d["metadata"]["labels"])]
        if len(services) != 1:
            say(f"{name}: its selector takes {len(services)} Services, not 1")
        for endpoint in spec["endpoints"]:
            if not all(endpoint["port"] in [port["name"] for port in service["spec"]["ports"]] for service in services):
                say(f"{name}: its Service has no port {endpoint['port']}")


def has(documents, kind, name):
    return any((d["kind"], d["metadata"]["name"]) == (kind, name) for d in documents)


def there(pod, data, say, kind, name, key=None):
    if (kind, name) not in data:
        say(f"{pod.name}: there is no {kind} {name}")
    elif key is not None and key not in data[kind, name]:
        say(f"{pod.name}: {kind} {name} has no {key}")


def parts(pod, container, data, say):
    """Settings, Secrets and ports of probes of one of its containers."""
    for source in container.get("envFrom", []):
        there(pod, data, say, "ConfigMap", source["configMapRef"]["name"])
    for variable in container.get("env", []):
        source = variable["valueFrom"]
        if "secretKeyRef" in source:
            there(pod, data, say, "Secret", source["secretKeyRef"]["name"], source["secretKeyRef"]["key"])
        if "configMapKeyRef" in source:
            there(pod, data, say, "ConfigMap", source["configMapKeyRef"]["name"], source["configMapKeyRef"]["key"])
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container.get(kind, {})
        port = probe.get("httpGet", probe.get("tcpSocket", {})).get("port")
        if port is not None and pod.port(port) is None:
            say(f"{pod.name}: its {kind} asks for the port {port}, which it hasn't")
    known = set(environment(container, data))
    for text in container.get("command", []) + container.get("args", []):
        for variable in re.findall(r"\$\((\w+)\)", text):
            if variable not in known:
                say(f"{pod.name}: its arguments name the variable {variable}, which it hasn't")


def volumes(pod, data, say):
    own = {volume["name"] for volume in pod.spec.get("volumes", [])}
    for volume in pod.spec.get("volumes", []):
        if "secret" in volume:
            for item in volume["secret"].get("items", [{"key": None}]):
                there(pod, data, say, "Secret", volume["secret"]["secretName"], item["key"])
        if "persistentVolumeClaim" in volume:
            there(pod, data, say, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
    # A StatefulSet's claims are volumes too; Redis has the only one.
    if mounted - {"data"} != own:
        say(f"{pod.name}: it mounts {sorted(mounted)}, and has the volumes {sorted(own)}")


def environment(container, data):
    """A container's variables; empty where only the cluster knows the value."""
    values = {}
    for source in container.get("envFrom", []):
        values |= data.get(("ConfigMap", source["configMapRef"]["name"]), {})
    for variable in container.get("env", []):
        [(kind, source)] = variable["valueFrom"].items()
        holder = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}.get(kind)
        values[variable["name"]] = data.get((holder, source.get("name")), {}).get(source.get("key"), "")
    return values


def safety(pod, container, say):
    """What the namespace's rules ask for, and what every container here has besides."""
    spec = pod.spec
    context, own = spec["securityContext"], container.get("securityContext", {})
    wanted = {
        "no root": context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0,
        "seccomp": context.get("seccompProfile") == {"type": "RuntimeDefault"},
        "no escalation": own.get("allowPrivilegeEscalation") is False,
        "a read-only root": own.get("readOnlyRootFilesystem") is True,
        "no capabilities": own.get("capabilities") == {"drop": ["ALL"]},
        "no token of the API": spec.get("automountServiceAccountToken") is False,
        "requests and limits": all(
            set(container.get("resources", {}).get(kind, {})) == {"cpu", "memory"} for kind in ("requests", "limits")
        ),
        "time to stop": "terminationGracePeriodSeconds" in spec,
    }
    for what, holds in wanted.items():
        if not holds:
            say(f"{pod.name}: its container {container['name']} lacks: {what}")


def places(pod, data):
    """Where it connects to, by its arguments and variables."""
    texts = [text for own in pod.containers for text in [*own.get("args", []), *environment(own, data).values()]]
    return sorted({found for text in texts for found in PLACE.findall(text.split("@")[-1])})


def place(pod, host, port, documents, say):
    """A Service, or a StatefulSet's pod by its name and its Service's."""
    instance, _, service = host.rpartition(".")
    found = [d for d in documents if name_of(d) == f"Service {service}"]
    if not any(port == own["port"] for d in found for own in d["spec"]["ports"]):
        say(f"{pod.name}: it names {host}:{port}, and there is no Service {service} with that port")
    if instance:
        name, _, index = instance.rpartition("-")
        sets = [d for d in documents if name_of(d) == f"StatefulSet {name}" and d["spec"]["serviceName"] == service]
        if not any(int(index) < d["spec"]["replicas"] for d in sets):
            say(f"{pod.name}: no StatefulSet of the Service {service} has a pod {instance}")
