#!/bin/sh
# Makes sure that there is a promtool, which checks metrics and rules as Prometheus does: one on PATH, else the one in the system's package
# `prometheus`, unpacked into TOOLS_DIR without the server being installed. Nothing but tests needs it: without it they say so.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
TOOLS_DIR=${TOOLS_DIR:-$here/../../target/tools}
PATH=$TOOLS_DIR/bin:$PATH
# shellcheck source=deploy/install/packages.sh
. "$here/packages.sh"

if command -v promtool >/dev/null 2>&1; then
    exit 0
fi

# Downloads Debian's package and takes the one program out of it; needs no root unless the package lists are missing.
from_apt() {
    folder=$(mktemp -d)
    fetched=1
    (cd "$folder" && apt-get download -qq prometheus 2>/dev/null) ||
        { as_root apt-get update -qq </dev/null && (cd "$folder" && apt-get download -qq prometheus); } || fetched=0
    if [ "$fetched" = 1 ] && dpkg-deb -x "$folder"/prometheus_*.deb "$folder"; then
        mkdir -p "$TOOLS_DIR/bin"
        install -m 755 "$folder/usr/bin/promtool" "$TOOLS_DIR/bin/promtool" || fetched=0
    else
        fetched=0
    fi
    rm -rf "$folder"
    [ "$fetched" = 1 ]
}

case "$(package_manager)" in
apt-get) from_apt ;;
apk | brew | dnf) install_packages prometheus ;;
*) false ;;
esac || {
    echo "NOT INSTALLED: promtool; the tests of /metrics and of the alert rules check less without it (it is part of Prometheus)" >&2
    exit 0
}
