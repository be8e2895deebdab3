#!/usr/bin/env bash
# Builds both programs for a release on this machine's architecture, and makes their archives.
#
#   deploy/release/build.sh TARGET FOLDER
#   deploy/release/build.sh x86_64-unknown-linux-musl dist
set -euo pipefail
[ $# = 2 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
target=$1 out=$2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/install/packages.sh
source deploy/install/packages.sh

sh deploy/install/toolchain.sh
export PATH="$PATH:$HOME/.cargo/bin"
rustup target add "$target"
case "$target" in
*-musl)
    # ring and mimalloc have C in them.
    command -v musl-gcc >/dev/null || install_packages musl-tools
    export "CC_${target//-/_}=musl-gcc"
    ;;
esac
cargo build --locked --release --target "$target" --package ordershop --bin ordershop
cargo build --locked --release --target "$target" --package loadgen --bins --features otlp
for program in ordershop loadgen; do
    bash deploy/release/archive.sh "$program" "${CARGO_TARGET_DIR:-target}/$target/release/$program" "$target" "$out"
done
