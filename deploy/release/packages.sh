#!/usr/bin/env bash
# Packs every crate that can be installed (`cargo package`), and checks that each package has all that its build reads: a file that is
# included by its path, a contract, a template. Builds nothing: seconds.
#
#   deploy/release/packages.sh [FOLDER]     the packages go to FOLDER [default: target/package]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

made=${CARGO_TARGET_DIR:-target}/package
work=$(cd "$(mktemp -d)" && pwd -P)
trap 'rm -rf "$work"' EXIT

# Those that others are not meant to install.
left_out=$(grep -l "^publish = false" ./*/Cargo.toml ./*/*/Cargo.toml | while read -r manifest; do
    sed -n '/^\[package\]/,/^$/ s/^name = "\(.*\)"/--exclude=\1/p' "$manifest"
done)
rm -f "$made"/*.crate
# shellcheck disable=SC2086 # one word an option
cargo package --quiet --locked --workspace --no-verify --allow-dirty $left_out 2>"$work/said" || {
    cat "$work/said" >&2
    exit 1
}

wrong=0
count=0
for package in "$made"/*.crate; do
    tar -xzf "$package" -C "$work"
    root=$work/$(basename "$package" .crate)
    count=$((count + 1))
    while IFS=: read -r file path; do
        folder=$(cd "$(dirname "$file")/$(dirname "$path")" 2>/dev/null && pwd -P) || folder=
        if [ ! -f "$folder/$(basename "$path")" ] || [ "${folder#"$root"}" = "$folder" ]; then
            echo "$(basename "$package"): ${file#"$root"/} includes $path, which is not in the package" >&2
            wrong=1
        fi
    done < <(grep -rEo --include='*.rs' 'include_(str|bytes)!\("[^"]+"' "$root/src" | sed -E 's/include_(str|bytes)!\("//; s/"$//')
    while IFS= read -r path; do
        if [ ! -f "$root/$path" ]; then
            echo "$(basename "$package"): build.rs reads $path, which is not in the package" >&2
            wrong=1
        fi
    done < <(if [ -f "$root/build.rs" ]; then grep -Eo '"proto/[^"]+\.proto"' "$root/build.rs" | tr -d '"'; fi)
    while IFS= read -r path; do
        if [ ! -f "$root/templates/$path" ]; then
            echo "$(basename "$package"): the template $path is not in the package" >&2
            wrong=1
        fi
    done < <(grep -rhEo --include='*.rs' 'template\(path = "[^"]+"' "$root/src" | sed -E 's/.*"(.*)"/\1/')
done
[ "$count" -gt 0 ] || { echo "no package was made" >&2; exit 1; }
[ "$wrong" = 0 ] || exit 1
if [ $# -gt 0 ]; then
    mkdir -p "$1"
    cp "$made"/*.crate "$1"
fi
echo "$count packages, each with all that its build reads"
