#!/bin/sh
# Prints the alert rules of deploy/prometheus as the Prometheus Operator's PrometheusRules, so that their text is kept once:
#
#   deploy/kubernetes/monitoring/rules.sh | kubectl apply -f -
#
# Environment: NAMESPACE (ordershop)
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
for program in ordershop loadgen; do
    cat <<END
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: $program
  namespace: ${NAMESPACE:-ordershop}
  labels: {app.kubernetes.io/name: $program}
spec:
END
    sed 's/^/  /' "$here/../../prometheus/$program-rules.yml"
done
