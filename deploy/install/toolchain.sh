#!/bin/sh
# Checks that Rust and a C linker are installed. Installs the linker if possible; Rust must be installed by the user.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=deploy/install/packages.sh
. "$here/packages.sh"

wanted=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' "$here/../../Cargo.toml")

if ! command -v cargo >/dev/null 2>&1 || ! there=$(rustc --version 2>/dev/null); then
    echo "cargo is not installed: install Rust $wanted or later from https://rustup.rs, then try again." >&2
    exit 1
fi
there=$(echo "$there" | sed 's/^rustc \([0-9]*\.[0-9]*\).*/\1/')
if [ "${there%%.*}" -lt "${wanted%%.*}" ] || { [ "${there%%.*}" -eq "${wanted%%.*}" ] && [ "${there#*.}" -lt "${wanted#*.}" ]; }; then
    echo "Rust $there is too old: update to $wanted or later with: rustup update stable" >&2
    exit 1
fi

if command -v cc >/dev/null 2>&1; then
    exit 0
fi
case "$(package_manager)" in
apt-get) install_packages gcc libc6-dev || true ;;
dnf) install_packages gcc || true ;;
apk) install_packages gcc musl-dev || true ;;
esac
if ! command -v cc >/dev/null 2>&1; then
    echo "there is no C linker (cc), which Rust needs; install one: apt install build-essential | dnf install gcc | apk add build-base | xcode-select --install" >&2
    exit 1
fi
