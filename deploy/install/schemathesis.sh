#!/bin/sh
# Installs schemathesis, which `make fuzz-api` sends requests with: a virtual environment in TOOLS_DIR/schemathesis.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
TOOLS_DIR=${TOOLS_DIR:-$here/../../target/tools}
# shellcheck source=deploy/install/packages.sh
. "$here/packages.sh"

install_from_pypi schemathesis st "${SCHEMATHESIS_PACKAGE:-schemathesis==4.32.5}"
