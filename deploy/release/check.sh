#!/usr/bin/env bash
# Checks that a release can be made of this tree: the packages are whole, the changelog has the version, the archives of both programs
# have what they should, and the images' roots what their Dockerfiles start. Takes programs that are built already.
#
#   deploy/release/check.sh FOLDER          the folder of ordershop and loadgen, such as target/release
set -euo pipefail
[ $# = 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
binaries=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(bash deploy/release/version.sh)

bash deploy/release/packages.sh
bash deploy/release/notes.sh "$version" >/dev/null
for program in ordershop loadgen; do
    bash deploy/release/archive.sh "$program" "$binaries/$program" here "$work"
    name=$program-$version-here
    (cd "$work" && if command -v sha256sum >/dev/null; then sha256sum --quiet --check "$name.tar.gz.sha256"; else shasum -a 256 --check "$name.tar.gz.sha256"; fi)
    tar -xzf "$work/$name.tar.gz" -C "$work"
    "$work/$name/$program" --version
    bash -n "$work/$name/completions/$program.bash"
    # A page for every command that --help lists; a description that is wrapped is indented further.
    "$work/$name/$program" --help | sed -n '/^Commands:/,/^$/ s/^  \([a-z][a-z-]*\) .*/\1/p' | grep -v '^help$' | while read -r command; do
        [ -s "$work/$name/man/man1/$program-$command.1" ] || { echo "$name has no man page of $command" >&2; exit 1; }
        grep -q "$command" "$work/$name/completions/$program.bash" || { echo "$name does not complete $command" >&2; exit 1; }
    done
    # An archive of loadgen has a second program.
    [ ! -x "$work/$name/compare-report" ] || bash -n "$work/$name/completions/compare-report.bash"
    for file in README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "man/man1/$program.1" "completions/$program.zsh" "completions/$program.fish"; do
        [ -s "$work/$name/$file" ] || { echo "$name has no $file" >&2; exit 1; }
    done
done

# The workflow calls scripts that are there, and builds the archives that the images are made of. This machine's programs stand for those
# of other platforms.
workflow=.github/workflows/release.yml
for script in $(grep -o 'deploy/release/[a-z]*\.sh' "$workflow" deploy/release/*.sh | cut -d: -f2 | sort -u); do
    bash -n "$script" || { echo "$script is missing or not bash" >&2; exit 1; }
done
if [ "$(uname -s)" = Linux ] && [ -s /etc/ssl/certs/ca-certificates.crt ]; then
    mkdir "$work/dist"
    for target in $(sed -n 's/.*- { os: .*, target: \([a-z0-9_]*-unknown-linux-musl\) }$/\1/p' "$workflow"); do
        for program in ordershop loadgen; do
            bash deploy/release/archive.sh "$program" "$binaries/$program" "$target" "$work/dist"
        done
    done
    ROOTS=$work/roots bash deploy/release/images.sh nowhere "$version" "$work/dist"
    for program in ordershop loadgen; do
        started=$(sed -n 's/^ENTRYPOINT \["\(.*\)"\]$/\1/p' "deploy/release/$program.Dockerfile")
        folder=$(sed -n 's/^WORKDIR //p' "deploy/release/$program.Dockerfile")
        for architecture in amd64 arm64; do
            root=$work/roots/$program/$architecture
            [ -n "$started" ] && [ -x "$root$started" ] && [ -d "$root$folder" ] && [ -s "$root/etc/ssl/certs/ca-certificates.crt" ] || {
                echo "the image of $program for $architecture lacks $started, $folder or certificates" >&2
                exit 1
            }
        done
    done
else
    echo "NOT TESTED: the images' roots, which are made on Linux with /etc/ssl/certs/ca-certificates.crt"
fi
