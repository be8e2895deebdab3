#!/bin/sh
# Prints the Secrets that the manifests name, with new random passwords. `create` refuses to replace those that are there:
#
#   deploy/kubernetes/secrets.sh | kubectl create -f -              for base
#   deploy/kubernetes/secrets.sh cluster | kubectl create -f -      for cluster
#
# The rights of the shop's user are those of system/README.md, and the one that tells `everysec` from `always`.
#
# Environment: NAMESPACE (ordershop)
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
rights=$(sed -n 's/^ACL SETUSER shop on >password //p' "$here/../../system/README.md")
[ -n "$rights" ] || { echo "system/README.md has no line \"ACL SETUSER shop on >password …\"" >&2; exit 1; }
password=$(random)
case ${1:-base} in
base)
    url=redis://shop:$password@redis:6379 node_password= node=
    ;;
cluster)
    url=redis+cluster://shop:$password@redis-0.redis:6379,redis-1.redis:6379,redis-2.redis:6379,redis-3.redis:6379,redis-4.redis:6379,redis-5.redis:6379
    rights="$rights +wait +asking +cluster|info +cluster|slots"
    own=$(random)
    node_password="
  node-password: $own"
    # Replication, what redis-cli --cluster create does, and what the nodes' probes and sidecars ask.
    node="
    user node on >$own resetkeys resetchannels -@all +ping +psync +replconf +info +cluster|info +cluster|nodes +cluster|meet +cluster|addslots +cluster|set-config-epoch +cluster|replicate"
    ;;
*)
    echo "secrets.sh: unknown argument $1; allowed: base, cluster, or none" >&2
    exit 2
    ;;
esac
cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: ordershop
  namespace: ${NAMESPACE:-ordershop}
stringData:
  grpc-token: $(random)
  redis-url: $url$node_password
  users.acl: |
    user default on nopass resetkeys resetchannels -@all +ping
    user shop on >$password $rights +config|get$node
---
apiVersion: v1
kind: Secret
metadata:
  name: loadgen
  namespace: ${NAMESPACE:-ordershop}
stringData:
  token: $(random)
END
