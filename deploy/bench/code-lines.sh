#!/usr/bin/env bash
# Code lines of each crate as docs/measured.md has them: Rust below src/ without blank lines, comments and tests, counted by cloc
# (apt-get install cloc). Tests are what follows `#[cfg(test)]`: a module at a file's end, or a file that it names.
#
#   deploy/bench/code-lines.sh [REPOSITORY]
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"

command -v cloc >/dev/null || { echo "cloc is not there: apt-get install cloc" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A file without its tests, and on standard error the files that are tests as a whole.
stripped() {
    awk -v dir="$(dirname "$1")" -v stem="$(basename "$1" .rs)" '
        /^#\[cfg\(test\)\]$/ { test = 1; next }
        test && /^mod [a-z_]+;$/ {
            name = $2; sub(";", "", name); test = 0
            print dir "/" name ".rs\n" dir "/" stem "/" name ".rs\n" dir "/" stem "/" name "/mod.rs\n" dir "/" name "/mod.rs" > "/dev/stderr"
            next
        }
        test && /\{$/ { exit }
        { test = 0; print }' "$1"
}

git ls-files '*/Cargo.toml' | while read -r manifest; do
    crate=$(dirname "$manifest")
    [ -d "$crate/src" ] || continue
    mkdir -p "$work/$crate"
    git ls-files "$crate/src/*.rs" | while read -r file; do
        mkdir -p "$work/$(dirname "$file")"
        stripped "$file" >"$work/$file" 2>>"$work/tests"
    done
    sort -u "$work/tests" | while read -r test; do rm -f "$work/$test"; done
    lines=$(cloc --quiet --csv --include-lang=Rust "$work/$crate/src" | awk -F, '$2 == "Rust" { print $5 }')
    echo "$crate ${lines:-0}"
done | awk '{ printf "%-22s %6d\n", $1, $2; sum[substr($1, 1, index($1 "/", "/") - 1)] += $2 }
    END { for (folder in sum) printf "%-22s %6d\n", folder " in all", sum[folder] | "sort" }'
