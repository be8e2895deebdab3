#!/bin/sh
# Prints the Secrets that the manifests name, with new random passwords. `create` refuses to replace those that are there:
#
#   deploy/kubernetes/secrets.sh | kubectl create -f -
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
cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: ordershop
  namespace: ${NAMESPACE:-ordershop}
stringData:
  grpc-token: $(random)
  redis-url: redis://shop:$password@redis:6379
  users.acl: |
    user default on nopass resetkeys resetchannels -@all +ping
    user shop on >$password $rights +config|get
---
apiVersion: v1
kind: Secret
metadata:
  name: loadgen
  namespace: ${NAMESPACE:-ordershop}
stringData:
  token: $(random)
END
