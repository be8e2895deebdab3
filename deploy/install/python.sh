#!/bin/sh
# Installs a Python with gRPC for the test that uses the contracts from another language: a virtual environment in
# TOOLS_DIR/python-grpc, or without venv only the packages. Never fails: without it that test is skipped with a message.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
TOOLS_DIR=${TOOLS_DIR:-$here/../../target/tools}
# grpcio and grpcio-tools must have the same version, because generated code needs the runtime it was generated for.
GRPC_PACKAGES=${GRPC_PACKAGES:-grpcio==1.85.1 grpcio-tools==1.85.1 protobuf==7.36.2}
# shellcheck source=deploy/install/packages.sh
. "$here/packages.sh"

home=$TOOLS_DIR/python-grpc
python=$home/bin/python3
# The installed packages; other versions are installed again.
stamp=$home/installed

works() {
    [ -x "$python" ] && "$python" -c 'import grpc_tools.protoc, grpc' 2>/dev/null
}

# Installs Python if necessary. Python without pip and venv counts as installed (as on Debian).
have_python() {
    command -v python3 >/dev/null 2>&1 && return 0
    case "$(package_manager)" in
    apt-get) install_packages python3 python3-venv ;;
    dnf | brew) install_packages python3 ;;
    apk) install_packages python3 py3-pip ;;
    *) return 1 ;;
    esac
}

# shellcheck disable=SC2086 # several packages
into_venv() {
    python3 -m venv "$home" 2>/dev/null &&
        "$home/bin/python3" -m pip install --quiet --disable-pip-version-check --no-input --prefer-binary $GRPC_PACKAGES
}

# Without venv: installs the packages into a folder, and a python3 that finds them.
# shellcheck disable=SC2086 # several packages
into_folder() {
    rm -rf "$home"
    mkdir -p "$home/bin" "$home/packages"
    if python3 -m pip --version >/dev/null 2>&1; then
        python3 -m pip install --quiet --disable-pip-version-check --no-input --prefer-binary --target "$home/packages" $GRPC_PACKAGES
    elif command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --target "$home/packages" $GRPC_PACKAGES
    else
        return 1
    fi || return 1
    printf '#!/bin/sh\nPYTHONPATH="%s" exec python3 "$@"\n' "$home/packages" >"$python"
    chmod +x "$python"
}

if [ "$(cat "$stamp" 2>/dev/null || true)" = "$GRPC_PACKAGES" ] && works; then
    echo "python with gRPC: $python"
    exit 0
fi
export PIP_ROOT_USER_ACTION=ignore
rm -rf "$home"
mkdir -p "$TOOLS_DIR"
if have_python; then
    echo "installing $GRPC_PACKAGES into $home (PyPI)"
    if into_venv || into_folder; then
        works && echo "$GRPC_PACKAGES" >"$stamp" && echo "python with gRPC: $python" && exit 0
    fi
fi
echo "there is no Python with gRPC, so the contracts' test in Python will be skipped; it needs python3 with venv or pip, and PyPI"
