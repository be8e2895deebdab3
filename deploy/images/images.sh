#!/usr/bin/env bash
# Builds the images of compose.yaml without a registry, from the release binary and the installed Redis or Valkey. An existing Redis image
# that this script did not build is kept.
#
# Environment: ORDERSHOP_BINARY (target/release/ordershop), ORDERSHOP_IMAGE, REDIS_IMAGE,
#   REDIS_SERVER (redis-server on PATH, else valkey-server)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

binary=${ORDERSHOP_BINARY:-target/release/ordershop}
ordershop_image=${ORDERSHOP_IMAGE:-ordershop:latest}
redis_image=${REDIS_IMAGE:-redis:7.2}
mark=ordershop.made-by
# The classic builder: BuildKit needs a plugin, and looks for its front end in a registry.
export DOCKER_BUILDKIT=0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints the path of the first of these programs that is installed.
first() {
    local name
    for name in "$@"; do
        command -v "$name" && return 0
    done
    echo "none of these is installed: $*; install a server with \`make redis\`" >&2
    return 1
}

build() {
    local image=$1 root=$2
    docker build --quiet --force-rm --label "$mark=images-offline" --tag "$image" --file - "$root" >/dev/null
    docker image inspect --format "$image: {{.Size}} bytes" "$image"
}

[ -x "$binary" ] || {
    echo "$binary does not exist; build it with: cargo build --locked --release -p ordershop" >&2
    exit 1
}
sh deploy/images/rootfs.sh "$work/ordershop" "ordershop=$binary"
# Uses the last stage of the Dockerfile, so that the image is described only once.
sed -n '/^FROM scratch/,$p' Dockerfile | sed 's|--from=builder /rootfs/|.|' | build "$ordershop_image" "$work/ordershop"

present=$(docker image inspect --format "made by {{index .Config.Labels \"$mark\"}}" "$redis_image" 2>/dev/null || true)
case $present in
"" | "made by images-offline")
    server=${REDIS_SERVER:-$(first redis-server valkey-server)}
    client=$(first redis-cli valkey-cli)
    mkdir -p "$work/redis/data"
    # The shell is for deploy/compose/cluster.yaml.
    sh deploy/images/rootfs.sh "$work/redis/root" "redis-server=$server" "redis-cli=$client" "sh=$(command -v sh)"
    build "$redis_image" "$work/redis" <deploy/images/redis.Dockerfile
    ;;
*) echo "$redis_image exists and was not built by this script; it is kept" ;;
esac
