#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version: the notes of its release. Fails if it says nothing.
#
#   deploy/release/notes.sh VERSION
set -euo pipefail
[ $# = 1 ] || { echo "notes.sh VERSION" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

notes=$(awk -v version="$1" '
    /^## / { inside = ($2 == version); next }
    inside { print }' CHANGELOG.md)
if [ -z "${notes//[[:space:]]/}" ]; then
    echo "CHANGELOG.md has no section of version $1" >&2
    exit 1
fi
printf '%s\n' "$notes"
