"""The NetworkPolicies let through what must pass, and nothing else."""

from manifests import name_of, pods_of, selects
from references import place, places

# Who calls these two is known by role: their addresses are in the settings of all.
SERVERS = {"event-store", "message-queue"}


def check(documents, secrets, say):
    pods = pods_of(documents)
    policies = [d for d in documents if d["kind"] == "NetworkPolicy"]
    for policy in policies:
        peers_exist(policy, pods, say)
    data = {(d["kind"], d["metadata"]["name"]): d.get("data") or d.get("stringData") for d in documents + secrets}
    wanted = needed(documents, pods, data)
    for one in pods:
        for other in pods:
            for port in {own["containerPort"] for own in other.container.get("ports", [])}:
                may, must = allowed(policies, one, other, port), (one.name, other.name, port) in wanted
                if may != must:
                    say(f"the policies {'let' if may else 'do not let'} {one.name} reach {other.name} at {port}")


def needed(documents, pods, data):
    """Who must reach whom, at which port: what a pod's arguments and variables name, the agents their run's target, and the nodes of a
    cluster each other."""
    wanted = set()
    runs = [pod for pod in pods if pod.labels.get("app.kubernetes.io/component") == "run"]
    for pod in pods:
        own = places(pod, data)
        if pod.labels.get("app.kubernetes.io/component") == "agent":
            own = [found for run in runs for found in places(run, data) if "api-gateway" in found[0]]
        if "--cluster-enabled" in pod.container.get("args", []):
            wanted |= {(pod.name, pod.name, port["containerPort"]) for port in pod.container["ports"]}
        for host, port in own:
            service = host.rpartition(".")[2]
            is_server = pod.labels.get("app.kubernetes.io/component") in SERVERS
            if is_server and service in SERVERS:
                continue
            for found in (d for d in documents if name_of(d) == f"Service {service}"):
                taken = [p for p in pods if selects({"matchLabels": found["spec"]["selector"]}, p.labels)]
                wanted |= {(pod.name, p.name, int(port)) for p in taken}
    return wanted


def rules(policies, direction, pod):
    """The rules of one direction that apply to a pod; None if it is not restricted."""
    own = [p["spec"] for p in policies if direction in p["spec"]["policyTypes"] and selects(p["spec"]["podSelector"], pod.labels)]
    return [rule for spec in own for rule in spec.get(direction.lower(), [])] if own else None


def allowed(policies, one, other, port):
    for direction, subject, peer, key in (("Egress", one, other, "to"), ("Ingress", other, one, "from")):
        found = rules(policies, direction, subject)
        if found is not None and not any(
            any(other.port(p["port"]) == port for p in rule["ports"])
            and any("namespaceSelector" not in source and selects(source["podSelector"], peer.labels) for source in rule[key])
            for rule in found
        ):
            return False
    return True


def peers_exist(policy, pods, say):
    name, spec = name_of(policy), policy["spec"]
    subjects = [pod for pod in pods if selects(spec["podSelector"], pod.labels)]
    if not subjects:
        say(f"{name}: its podSelector takes no pods")
    for direction, key in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction, []):
            inside = [peer["podSelector"] for peer in rule[key] if "namespaceSelector" not in peer]
            peers = [[pod for pod in pods if selects(selector, pod.labels)] for selector in inside]
            if not all(peers):
                say(f"{name}: a peer of its {direction} takes no pods")
            ends = subjects if direction == "ingress" else [pod for found in peers for pod in found]
            for port in rule["ports"]:
                if ends and not any(pod.port(port["port"]) for pod in ends):
                    say(f"{name}: nobody has the port {port['port']} of its {direction}")
