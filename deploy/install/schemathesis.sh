#!/bin/sh
# Installs schemathesis, which `make fuzz-api` sends requests with: a virtual environment in TOOLS_DIR/schemathesis.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
TOOLS_DIR=${TOOLS_DIR:-$here/../../target/tools}
package=${SCHEMATHESIS_PACKAGE:-schemathesis==4.32.5}
# shellcheck source=deploy/install/packages.sh
. "$here/packages.sh"

home=$TOOLS_DIR/schemathesis
# The installed package; another version is installed again.
stamp=$home/installed

if [ "$(cat "$stamp" 2>/dev/null || true)" = "$package" ] && "$home/bin/st" --version >/dev/null 2>&1; then
    exit 0
fi
if ! python3 -m venv --help >/dev/null 2>&1; then
    case "$(package_manager)" in
    apt-get) install_packages python3 python3-venv ;;
    dnf | apk | brew) install_packages python3 ;;
    esac
fi
export PIP_ROOT_USER_ACTION=ignore
rm -rf "$home"
mkdir -p "$TOOLS_DIR"
echo "installing $package into $home (PyPI)"
python3 -m venv "$home"
"$home/bin/python3" -m pip install --quiet --disable-pip-version-check --no-input --prefer-binary "$package"
echo "$package" >"$stamp"
