"""Checks the manifests of deploy/kubernetes: by the schemas of Kubernetes' API, against each other, and against the programs that they start."""

import functools
import json
import pathlib
import subprocess
import sys

import kubernetes_validate
import kubernetes_validate.utils
import yaml

import network
import programs
import references
from manifests import build, built_by_kustomize, name_of, read

HERE = pathlib.Path(__file__).resolve().parents[1]
# Either of the first two stands alone; the others stand on it.
SHOPS = ["base", "cluster"]
ON_A_SHOP = ["loadgen/run", "loadgen/agents", "monitoring"]
# The oldest one that has `preStop: sleep`, and the newest one that has a schema.
VERSIONS = ["1.30", "1.37"]
# The Prometheus Operator's kinds have no schema among Kubernetes' own.
WITHOUT_SCHEMA = "monitoring.coreos.com/"


def main(binaries):
    problems = []
    say = problems.append
    built = {folder: build(HERE / folder) for folder in SHOPS + ON_A_SHOP}
    secrets = {shop: read(printed("secrets.sh", shop)) for shop in SHOPS}
    rules = read(printed("monitoring/rules.sh"))

    validated = 0
    # Each document reads the same definitions.
    kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
    # The shops share most of theirs.
    manifests = {json.dumps(document, sort_keys=True): document for documents in built.values() for document in documents}
    for document in [*manifests.values(), *(document for documents in secrets.values() for document in documents)]:
        if document["apiVersion"].startswith(WITHOUT_SCHEMA):
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
                validated += 1
            except kubernetes_validate.ValidationError as error:
                say(f"{name_of(document)}: {'.'.join(map(str, error.path))}: {error.message} (Kubernetes {version})")
            except kubernetes_validate.SchemaNotFoundError as error:
                say(f"{name_of(document)}: {error.message}")
    if problems:
        # What has another form can't be read further.
        return problems
    for folder in built:
        by_kustomize = built_by_kustomize(HERE / folder)
        if by_kustomize is None:
            print("kubernetes-check: NOT TESTED: whether kustomize builds the same: neither kustomize nor kubectl is installed")
            break
        if sorted(by_kustomize, key=name_of) != sorted(built[folder], key=name_of):
            say(f"{folder}: kustomize builds something else than check/manifests.py reads")

    everything = {}
    for shop in SHOPS:
        everything[shop] = list({name_of(d): d for folder in [shop, *ON_A_SHOP] for d in built[folder]}.values())
        for documents in (built[shop], everything[shop]):
            references.check(documents, secrets[shop], functools.partial(say_of, shop, say))
            network.check(documents, secrets[shop], functools.partial(say_of, shop, say))
    for rule in rules:
        text = (HERE.parent / f"prometheus/{rule['metadata']['name']}-rules.yml").read_text()
        if rule["spec"] != yaml.safe_load(text):
            say(f"{name_of(rule)}: it is not what deploy/prometheus has")
    for shop in SHOPS:
        if not problems:
            programs.check(everything[shop], secrets[shop], binaries, functools.partial(say_of, shop, say))
    if not problems:
        without = [name_of(d) for d in [*manifests.values(), *rules] if d["apiVersion"].startswith(WITHOUT_SCHEMA)]
        print(
            f"kubernetes-check: {len(manifests)} manifests hold, {validated} times by the schemas of Kubernetes {' and '.join(VERSIONS)};"
            f" without a schema: {', '.join(without)}"
        )
    return list(dict.fromkeys(problems))


def say_of(shop, say, problem):
    say(f"{shop}: {problem}")


def printed(script, *arguments):
    return subprocess.run(["sh", HERE / script, *arguments], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    found = main(pathlib.Path(sys.argv[1]).resolve())
    for problem in found:
        print(f"kubernetes-check: {problem}", file=sys.stderr)
    sys.exit(1 if found else 0)
