#!/usr/bin/env bash
# Checks the manifests of this folder: by the schemas of Kubernetes' API (not the Prometheus Operator's kinds), against each other, and
# against the programs: every command, option and variable exists, and each role, started with its command line, answers its probes.
#
#   deploy/kubernetes/check.sh FOLDER          the folder of ordershop and loadgen, such as target/release
#
# Environment: TOOLS_DIR, EVERY_TOOL (fails where a Redis to start the roles on is missing)
set -euo pipefail
[ $# = 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
binaries=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

sh deploy/install/kubernetes-validate.sh
exec "${TOOLS_DIR:-target/tools}/kubernetes-validate/bin/python3" -B deploy/kubernetes/check "$binaries"
