"""Reads kustomizations as kustomize does, as far as ours go. A field that is not known here is refused, so that both stay the same."""

import json
import re
import shutil
import subprocess

import yaml

FIELDS = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator"}
GENERATED = {"name", "behavior", "literals"}
WORKLOADS = {"Deployment", "StatefulSet", "Job"}


def build(folder):
    """The documents of a kustomization, those of the folders that it names too."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    unknown = set(kustomization) - FIELDS
    if unknown:
        raise SystemExit(f"{folder}/kustomization.yaml: check/manifests.py doesn't know {', '.join(sorted(unknown))}")
    documents = []
    for name in kustomization.get("resources", []):
        path = folder / name
        if not path.exists():
            raise SystemExit(f"{folder}/kustomization.yaml: there is no {name}")
        documents += build(path) if path.is_dir() else read(path.read_text())
    for generated in kustomization.get("configMapGenerator", []):
        name, behavior = generated["name"], generated.get("behavior", "create")
        if set(generated) - GENERATED or behavior not in ("create", "merge"):
            raise SystemExit(f"{folder}/kustomization.yaml: check/manifests.py knows the ConfigMap {name} only with literals, made or merged")
        data = dict(literal.split("=", 1) for literal in generated["literals"])
        found = [d for d in documents if name_of(d) == f"ConfigMap {name}"]
        if len(found) != (behavior == "merge"):
            raise SystemExit(f"{folder}/kustomization.yaml: the ConfigMap {name} can't be {behavior}d: there are {len(found)} of it")
        if found:
            found[0]["data"] |= data
        else:
            documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    for document in documents:
        if document["kind"] == "Namespace":
            continue
        document["metadata"]["namespace"] = kustomization["namespace"]
    return documents


def read(text):
    """The documents of a text, those in a List one by one. No two share a part, whatever anchors they were written with."""
    documents = []
    for document in yaml.safe_load_all(text):
        documents += document["items"] if document["kind"] == "List" else [document]
    return json.loads(json.dumps(documents))


def built_by_kustomize(folder):
    """The same documents as kustomize makes them, without the suffixes of generated names; None if there is no kustomize."""
    command = ["kustomize", "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    if not shutil.which(command[0]):
        return None
    built = subprocess.run([*command, folder], capture_output=True, text=True)
    if built.returncode:
        raise SystemExit(f"{' '.join(command)} {folder}: {built.stderr}")
    text = built.stdout
    for name in generated_names(folder):
        text = re.sub(rf"\b{name}-[a-z0-9]{{10}}\b", name, text)
    return read(text)


def generated_names(folder):
    """The ConfigMaps that a kustomization makes, and those that it names."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    names = {generated["name"] for generated in kustomization.get("configMapGenerator", [])}
    return names.union(*(generated_names(folder / name) for name in kustomization["resources"] if (folder / name).is_dir()))


def name_of(document):
    return f"{document['kind']} {document['metadata']['name']}"


class Pods:
    """The pods that a workload makes."""

    def __init__(self, workload):
        self.name = name_of(workload)
        self.replicas = workload["spec"].get("replicas", 1)
        template = workload["spec"]["template"]
        self.labels = template["metadata"]["labels"]
        self.spec = template["spec"]
        [self.container] = self.spec["containers"]
        self.containers = [self.container, *self.spec.get("initContainers", [])]
        # The names under which they are reached one by one, or all.
        own = workload["metadata"]["name"]
        is_one_by_one = workload["kind"] == "StatefulSet" and self.replicas > 1
        self.hosts = [f"{own}-{index}.{workload['spec']['serviceName']}" for index in range(self.replicas)] if is_one_by_one else [own]

    def port(self, port):
        """The number of a port that is given by name or number; None if the container has none."""
        for own in self.container.get("ports", []):
            if port in (own["name"], own["containerPort"]):
                return own["containerPort"]
        return None


def pods_of(documents):
    return [Pods(document) for document in documents if document["kind"] in WORKLOADS]


def selects(selector, labels):
    """Whether a label selector takes these labels."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for expression in selector.get("matchExpressions", []):
        is_in = labels.get(expression["key"]) in expression["values"]
        if is_in != {"In": True, "NotIn": False}[expression["operator"]]:
            return False
    return True
