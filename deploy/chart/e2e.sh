#!/usr/bin/env bash
# The life of a release on a real API server: install of the chart before this one, upgrade, test, upgrade of values, a
# failing upgrade, rollback, uninstall, for each profile given (default: all), in a namespace of its own that enforces the
# restricted Pod Security Standard. examples/stores.yaml is taken there too.
# Needs kubectl, helm 4 and a KUBECONFIG for any cluster with the definitions of KEDA and the Prometheus operator.
#   PODS=0     nothing runs pods there (an API server alone): hooks and waiting are left out, all else is as on any cluster
#   IMAGE=     the image to install; without one pods must be fake, as kwok's are
#   PREVIOUS=  the chart to upgrade from, a directory; without one that of the newest tag, else this one called 0.0.1
set -euo pipefail
cd "$(dirname "$0")/../.."
CHART=deploy/helm/lockstep
PODS=${PODS:-1}
[ -n "${KUBECONFIG:-}" ] || { echo "error: set KUBECONFIG to a cluster for trying" >&2; exit 1; }
for tool in kubectl helm; do command -v "$tool" >/dev/null || { echo "error: $tool is missing" >&2; exit 1; }; done
scratch=$(mktemp -d)
space=
trap 'rm -rf "$scratch"; [ -z "$space" ] || kubectl delete namespace "$space" --wait=false >/dev/null 2>&1 || true' EXIT
say() { printf '%-9s %s\n' "$profile" "$*"; }
die() { echo "error: $profile: $*" >&2; exit 1; }
revision() { helm -n "$space" history ls --max 1 -o json | python3 -c 'import json,sys; r=json.load(sys.stdin)[-1]; print(r["revision"], r["status"])'; }
left() { kubectl -n "$space" get deploy,job,pod,svc,cm,sa,ingress,netpol,pdb,hpa,scaledobjects,triggerauthentications,podmonitors,prometheusrules -o name 2>/dev/null \
  | grep -vE 'kube-root-ca.crt|serviceaccount/default' || true; }
grace() { kubectl -n "$space" get deploy ls-lockstep-high -o jsonpath='{.spec.template.spec.terminationGracePeriodSeconds}'; }
specs() { kubectl -n "$space" get deploy -o jsonpath='{range .items[*]}{.spec.template.spec}{"\n"}{end}'; }
previous() { # the directory of the chart before this one
  if [ -n "${PREVIOUS:-}" ]; then echo "$PREVIOUS"; return; fi
  local tag; tag=$(git describe --tags --abbrev=0 2>/dev/null || true)
  if [ -n "$tag" ]; then git archive "$tag" "$CHART" | tar -x -C "$scratch"; else
    mkdir -p "$scratch/${CHART%/*}"; cp -r "$CHART" "$scratch/$CHART"; sed -i 's/^version: .*/version: 0.0.1/' "$scratch/$CHART/Chart.yaml"
  fi
  echo "$scratch/$CHART"
}
secrets() { # what docs/install.md has made by hand
  for name in lockstep-{tokens,prober,fingerprint,ca,edge-tls,autoscaler,router,critical,high,normal,low,push-webhook,edge,topics,schema} \
    lockstep-kafka lockstep-kafka-keda lockstep-cassandra lockstep-redis; do
    kubectl -n "$space" create secret generic "$name" --from-literal=key=x --from-literal=public.jwks='{"keys":[]}' --from-literal=username=x \
      --from-literal=password=x --from-literal=sasl=scram_sha512 --from-literal=tls=enable --from-literal=private.jwk='{}' \
      --from-literal=security.json='{}' --from-literal=ca.crt=x >/dev/null
  done
}
from=$(previous)
profile=stores
space=lockstep-e2e-stores
kubectl create namespace "$space" >/dev/null
kubectl label namespace "$space" pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted >/dev/null
said=$(kubectl -n "$space" apply -f examples/stores.yaml 2>&1) || die "$said"
grep -qi "violate PodSecurity" <<<"$said" && die "not restricted: $said"
[ "$PODS" = 0 ] || kubectl -n "$space" wait --for=condition=Available deployment --all --timeout=300s >/dev/null || die "not available"
say "examples/stores.yaml: $(wc -l <<<"$said") objects"
kubectl delete namespace "$space" --wait=false >/dev/null
for profile in ${*:-dev prod no-keda tls-sasl}; do
  space=lockstep-e2e-$profile
  arguments=(-n "$space" -f "$CHART/profiles/$profile.yaml" ${IMAGE:+--set image.repository="$IMAGE"})
  [ "$PODS" = 0 ] && waiting=(--no-hooks) || waiting=(--wait --timeout 5m)
  kubectl create namespace "$space" >/dev/null
  kubectl label namespace "$space" pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted >/dev/null
  secrets
  said=$(helm install ls "$from" -n "$space" -f "$from/profiles/$profile.yaml" "${waiting[@]}" 2>&1) || die "$said"
  say "installed: $(left | wc -l) objects of chart $(sed -n 's/^version: //p' "$from/Chart.yaml")"
  said=$(helm upgrade ls "$CHART" "${arguments[@]}" "${waiting[@]}" 2>&1) || die "$said"
  grep -qi "violate PodSecurity" <<<"$said" && die "not restricted: $said"
  say "upgraded to $(sed -n 's/^version: //p' "$CHART/Chart.yaml"): $(left | wc -l) objects, $(revision)"
  if [ "$PODS" != 0 ]; then helm -n "$space" test ls >/dev/null || die "helm test failed"; say tested; fi
  said=$(helm upgrade ls "$CHART" "${arguments[@]}" "${waiting[@]}" --set worker.graceSeconds=90 2>&1) || die "$said"
  [ "$(grace)" = 90 ] || die "not upgraded"
  say "other values: $(revision)"
  before=$(specs)
  helm upgrade ls "$CHART" "${arguments[@]}" "${waiting[@]}" --set worker.gracSeconds=1 >/dev/null 2>&1 && die "a typo was taken"
  # One worker that the API refuses, after others were changed; then a hook that it refuses, before anything is.
  for wrong in workers.high.resources.requests.memory=64Gi worker.resources.requests.memory=64Gi; do
    helm upgrade ls "$CHART" "${arguments[@]}" "${waiting[@]}" --set "$wrong" --set worker.graceSeconds=70 --rollback-on-failure --timeout 90s \
      >/dev/null 2>&1 && die "requests above limits were taken"
    [ "$before" = "$(specs)" ] || die "the failed upgrade left something"
    [[ $(revision) == *" deployed" ]] || die "the failed upgrade was not undone: $(revision)"
    say "a failing upgrade is undone: $(revision)"
  done
  helm -n "$space" rollback ls 2 ${waiting[0]} >/dev/null || die "no rollback"
  [ "$(grace)" = 60 ] || die "not rolled back"
  say "rolled back: $(revision)"
  helm -n "$space" uninstall ls ${waiting[0]} >/dev/null || die "no uninstall"
  # What the notes say stays of a hook that failed.
  kubectl -n "$space" delete job,configmap,serviceaccount,networkpolicy -l app.kubernetes.io/instance=ls,app.kubernetes.io/component=hooks >/dev/null
  for _ in $(seq 100); do [ -z "$(left)" ] && break; sleep 0.2; done
  [ -z "$(left)" ] || { [ "$PODS" = 0 ] && say "nothing collects what Deployments own here: $(left | tr '\n' ' ')"; } || die "left behind: $(left)"
  say "uninstalled: nothing is left but Secrets"
  kubectl delete namespace "$space" --wait=false >/dev/null
done
