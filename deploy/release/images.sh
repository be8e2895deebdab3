#!/usr/bin/env bash
# Makes the images of both programs from the Linux archives of a release, for both architectures, and pushes them. Runs nothing of another
# architecture: an image is the program, name resolution, and the certificate authorities that this machine trusts.
#
#   deploy/release/images.sh REGISTRY VERSION FOLDER
#   deploy/release/images.sh ghcr.io/owner/repository 0.1.0 dist
#
# Environment: ROOTS (an empty folder: the images' roots are left there, and no image is built)
set -euo pipefail
[ $# = 3 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
registry=$1 version=$2 dist=$(cd "$3" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
roots=${ROOTS:-$work/roots}
for program in ordershop loadgen; do
    for architecture in amd64:x86_64 arm64:aarch64; do
        name=$program-$version-${architecture#*:}-unknown-linux-musl
        root=$roots/$program/${architecture%%:*}
        tar -xzf "$dist/$name.tar.gz" -C "$work"
        sh deploy/images/rootfs.sh "$root" "$program=$work/$name/$program"
        mkdir -p "$root/etc/ssl/certs" "$root/work"
        cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
        cp LICENSE-MIT LICENSE-APACHE "$root"
    done
done
[ -z "${ROOTS:-}" ] || exit 0

docker buildx create --use --name release >/dev/null
for program in ordershop loadgen; do
    docker buildx build --platform linux/amd64,linux/arm64 --push --file "deploy/release/$program.Dockerfile" \
        --tag "$registry/$program:$version" --tag "$registry/$program:latest" "$roots/$program"
done
