#!/usr/bin/env bash
# Makes the archive of a release for one platform: a program, its man pages, its completion scripts, licences and reference, and beside the
# archive its checksum. The program must run on this machine: it writes its man pages and completions itself.
#
#   deploy/release/archive.sh PROGRAM BINARY TARGET FOLDER
#   deploy/release/archive.sh loadgen target/release/loadgen x86_64-unknown-linux-musl dist
set -euo pipefail
[ $# = 4 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
program=$1 binary=$(cd "$(dirname "$2")" && pwd)/$(basename "$2") target=$3 out=$4
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=$(bash deploy/release/version.sh)
case "$program" in
ordershop) reference=system/README.md ;;
loadgen) reference=loadgen/README.md ;;
*) echo "$program is not a program of this repository: ordershop or loadgen" >&2; exit 2 ;;
esac
name=$program-$version-$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

root=$work/$name
mkdir -p "$root/man/man1" "$root/completions"
install -m 755 "$binary" "$root/$program"
if [ "$program" = loadgen ] && [ -x "$(dirname "$binary")/compare-report" ]; then
    install -m 755 "$(dirname "$binary")/compare-report" "$root/compare-report"
fi
# Debug information is most of the size; function names stay for backtraces.
if command -v strip >/dev/null; then
    find "$root" -maxdepth 1 -type f -exec strip -S {} +
fi
"$binary" man "$root/man/man1"
for shell in bash zsh fish; do
    "$binary" completions "$shell" >"$root/completions/$program.$shell"
    if [ -x "$root/compare-report" ]; then
        "$binary" completions "$shell" compare-report >"$root/completions/compare-report.$shell"
    fi
done
cp LICENSE-MIT LICENSE-APACHE CHANGELOG.md "$root"
cp "$reference" "$root/README.md"

mkdir -p "$out"
tar -czf "$out/$name.tar.gz" -C "$work" "$name"
cd "$out"
if command -v sha256sum >/dev/null; then
    sha256sum "$name.tar.gz" >"$name.tar.gz.sha256"
else
    shasum -a 256 "$name.tar.gz" >"$name.tar.gz.sha256"
fi
echo "$out/$name.tar.gz"
