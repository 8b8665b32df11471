#!/usr/bin/env bash
# The life of a release on a real API server: install, test, upgrade, a failing upgrade, rollback, uninstall, for each
# profile given (default: all), in a namespace of its own that enforces the restricted Pod Security Standard.
# Needs kubectl, helm 4 and a KUBECONFIG for any cluster with the definitions of KEDA and the Prometheus operator.
#   PODS=0  nothing runs pods there (an API server alone): hooks and waiting are left out, all else is as on any cluster
#   IMAGE=  the image to install; without one pods must be fake, as kwok's are
set -euo pipefail
cd "$(dirname "$0")/../.."
CHART=deploy/helm/lockstep
PODS=${PODS:-1}
[ -n "${KUBECONFIG:-}" ] || { echo "error: set KUBECONFIG to a cluster for trying" >&2; exit 1; }
for tool in kubectl helm; do command -v "$tool" >/dev/null || { echo "error: $tool is missing" >&2; exit 1; }; done
say() { printf '%-9s %s\n' "$profile" "$*"; }
die() { echo "error: $profile: $*" >&2; exit 1; }
revision() { helm -n "$space" history ls --max 1 -o json | python3 -c 'import json,sys; r=json.load(sys.stdin)[-1]; print(r["revision"], r["status"])'; }
left() { kubectl -n "$space" get deploy,job,pod,svc,cm,sa,ingress,netpol,pdb,hpa,scaledobjects,podmonitors,prometheusrules -o name 2>/dev/null \
  | grep -vE 'kube-root-ca.crt|serviceaccount/default' || true; }
secrets() { # what docs/install.md has made by hand
  for name in lockstep-tokens lockstep-prober lockstep-fingerprint lockstep-kafka lockstep-kafka-keda lockstep-cassandra lockstep-redis lockstep-ca lockstep-edge-tls; do
    kubectl -n "$space" create secret generic "$name" --from-literal=key=x --from-literal=public.jwks='{"keys":[]}' --from-literal=password=x \
      --from-literal=private.jwk='{}' --from-literal=security.json='{}' --from-literal=ca.crt=x >/dev/null
  done
}
for profile in ${*:-dev prod no-keda tls-sasl}; do
  space=lockstep-e2e-$profile
  arguments=(-n "$space" -f "$CHART/profiles/$profile.yaml" ${IMAGE:+--set image.repository="$IMAGE"})
  [ "$PODS" = 0 ] && waiting=(--no-hooks) || waiting=(--wait --timeout 5m)
  kubectl create namespace "$space" >/dev/null
  trap 'kubectl delete namespace "$space" --wait=false >/dev/null 2>&1 || true' EXIT
  kubectl label namespace "$space" pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted >/dev/null
  secrets
  said=$(helm install ls "$CHART" "${arguments[@]}" "${waiting[@]}" 2>&1) || die "$said"
  grep -qi "violate PodSecurity" <<<"$said" && die "not restricted: $said"
  say "installed: $(left | wc -l) objects"
  if [ "$PODS" != 0 ]; then helm -n "$space" test ls >/dev/null || die "helm test failed"; say tested; fi
  said=$(helm upgrade ls "$CHART" "${arguments[@]}" "${waiting[@]}" --set worker.graceSeconds=90 2>&1) || die "$said"
  [ "$(kubectl -n "$space" get deploy ls-lockstep-high -o jsonpath='{.spec.template.spec.terminationGracePeriodSeconds}')" = 90 ] || die "not upgraded"
  say "upgraded: $(revision)"
  before=$(kubectl -n "$space" get deploy -o jsonpath='{range .items[*]}{.spec.template.spec}{"\n"}{end}')
  helm upgrade ls "$CHART" "${arguments[@]}" "${waiting[@]}" --set worker.gracSeconds=1 >/dev/null 2>&1 && die "a typo was taken"
  helm upgrade ls "$CHART" "${arguments[@]}" "${waiting[@]}" --set worker.resources.requests.memory=64Gi --rollback-on-failure --timeout 20s >/dev/null 2>&1 \
    && die "requests above limits were taken"
  [ "$before" = "$(kubectl -n "$space" get deploy -o jsonpath='{range .items[*]}{.spec.template.spec}{"\n"}{end}')" ] || die "the failed upgrade left something"
  say "a failing upgrade is undone: $(revision)"
  helm -n "$space" rollback ls 1 ${waiting[0]} >/dev/null || die "no rollback"
  [ "$(kubectl -n "$space" get deploy ls-lockstep-high -o jsonpath='{.spec.template.spec.terminationGracePeriodSeconds}')" = 60 ] || die "not rolled back"
  say "rolled back: $(revision)"
  helm -n "$space" uninstall ls ${waiting[0]} >/dev/null || die "no uninstall"
  for _ in $(seq 100); do [ -z "$(left)" ] && break; sleep 0.2; done
  [ -z "$(left)" ] || { [ "$PODS" = 0 ] && say "nothing collects what Deployments own here: $(left | tr '\n' ' ')"; } || die "left behind: $(left)"
  say "uninstalled: nothing is left but Secrets"
  kubectl delete namespace "$space" --wait=false >/dev/null
  trap - EXIT
done
