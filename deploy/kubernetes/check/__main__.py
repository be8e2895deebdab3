"""Checks the manifests of deploy/kubernetes: by the schemas of Kubernetes' API, against each other, and against the programs that they start."""

import functools
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
FOLDERS = ["base", "loadgen/run", "loadgen/agents", "monitoring"]
# The oldest one that has `preStop: sleep`, and the newest one that has a schema.
VERSIONS = ["1.30", "1.37"]
# The Prometheus Operator's kinds have no schema among Kubernetes' own.
WITHOUT_SCHEMA = "monitoring.coreos.com/"


def main(binaries):
    problems = []
    say = problems.append
    built = {folder: build(HERE / folder) for folder in FOLDERS}
    secrets = read(printed("secrets.sh"))
    rules = read(printed("monitoring/rules.sh"))

    validated = 0
    # Each document reads the same definitions.
    kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
    for document in [document for folder in FOLDERS for document in built[folder]] + secrets:
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
    for folder in FOLDERS:
        by_kustomize = built_by_kustomize(HERE / folder)
        if by_kustomize is None:
            print("kubernetes-check: NOT TESTED: whether kustomize builds the same: neither kustomize nor kubectl is installed")
            break
        if sorted(by_kustomize, key=name_of) != sorted(built[folder], key=name_of):
            say(f"{folder}: kustomize builds something else than check/manifests.py reads")

    # The shop stands alone; all the rest stands on it.
    everything = list({name_of(document): document for folder in FOLDERS for document in built[folder]}.values())
    for documents in (built["base"], everything):
        references.check(documents, secrets, say)
        network.check(documents, secrets, say)
    for rule in rules:
        text = (HERE.parent / f"prometheus/{rule['metadata']['name']}-rules.yml").read_text()
        if rule["spec"] != yaml.safe_load(text):
            say(f"{name_of(rule)}: it is not what deploy/prometheus has")
    if not problems:
        programs.check(everything, secrets, binaries, say)
    if not problems:
        print(
            f"kubernetes-check: {len(everything)} manifests hold, {validated} times by the schemas of Kubernetes {' and '.join(VERSIONS)};"
            f" without a schema: {', '.join(name_of(d) for d in everything + rules if d['apiVersion'].startswith(WITHOUT_SCHEMA))}"
        )
    return list(dict.fromkeys(problems))


def printed(script):
    return subprocess.run(["sh", HERE / script], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    found = main(pathlib.Path(sys.argv[1]).resolve())
    for problem in found:
        print(f"kubernetes-check: {problem}", file=sys.stderr)
    sys.exit(1 if found else 0)
