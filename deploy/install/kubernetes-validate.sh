#!/bin/sh
# Installs kubernetes-validate, whose schemas `make kubernetes-check` checks manifests by: a virtual environment in
# TOOLS_DIR/kubernetes-validate.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
TOOLS_DIR=${TOOLS_DIR:-$here/../../target/tools}
# shellcheck source=deploy/install/packages.sh
. "$here/packages.sh"

install_from_pypi kubernetes-validate kubernetes-validate "${KUBERNETES_VALIDATE_PACKAGE:-kubernetes-validate==1.37.0}"
