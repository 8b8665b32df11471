#!/usr/bin/env bash
# Builds the image without a Docker engine, on a base of Debian's own packages, and starts it as a pod would: not root,
# on a root that is read-only; a worker gets ready against a real Kafka. Needs root, and buildah and debootstrap (Debian packages; installed where apt can).
set -euo pipefail
cd "$(dirname "$0")/../.."
WORK=${LOCKSTEP_LOCAL_HOME:-$PWD/.local}/image
IMAGE=localhost/lockstep:test
BUILDAH=(buildah --storage-driver vfs --root "$WORK/storage" --runroot "$WORK/run")
[ "$(id -u)" = 0 ] || { echo "error: the image is built as root; with Docker: docker build -f deploy/docker/Dockerfile ." >&2; exit 1; }
for tool in buildah debootstrap; do
  command -v "$tool" >/dev/null || apt-get install -y -qq --no-install-recommends "$tool" >/dev/null \
    || { echo "error: $tool is missing: install it (Debian: apt-get install $tool)" >&2; exit 1; }
done
mkdir -p "$WORK"
if ! "${BUILDAH[@]}" inspect --type image localhost/base >/dev/null 2>&1; then
  [ -d "$WORK/base" ] || { debootstrap --variant=minbase --include=python3,python3-venv bookworm "$WORK/base.new" && mv "$WORK/base.new" "$WORK/base"; }
  made=$("${BUILDAH[@]}" from scratch)
  "${BUILDAH[@]}" add -q "$made" "$WORK/base" / >/dev/null
  "${BUILDAH[@]}" commit -q --rm "$made" localhost/base >/dev/null
fi
CA=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}
index=$(python3 -m pip config get global.index-url 2>/dev/null || true)
arguments=(--build-arg BASE=localhost/base --build-arg PIP_CERT=/tmp/ca.crt)
[ -z "${PIP_INDEX_URL:-$index}" ] || arguments+=(--build-arg "PIP_INDEX_URL=${PIP_INDEX_URL:-$index}")
"${BUILDAH[@]}" build -q --isolation chroot --format docker --volume "$CA:/tmp/ca.crt:ro" "${arguments[@]}" \
  -t "$IMAGE" -f deploy/docker/Dockerfile . >/dev/null
box=$("${BUILDAH[@]}" from "$IMAGE")
trap '"${BUILDAH[@]}" rm "$box" >/dev/null' EXIT
root=$("${BUILDAH[@]}" mount "$box")
"${BUILDAH[@]}" inspect --type image "$IMAGE" | grep -q '"User": "10001:10001"' || { echo "error: the image runs as root" >&2; exit 1; }
inside() { deploy/docker/inside.sh "$root" "$@"; }
mkdir -p "$root/data"
inside lockstep check
inside sh -c 'test "$(id -u)" = 10001 && ! touch /opt/lockstep/x 2>/dev/null && touch /data/x && ! command -v pip gcc'
python3 -m deploy.local.image "$root"
echo "image      $IMAGE: not root, read-only root, $(du -sm "$root/opt/lockstep" | cut -f1) MB of lockstep"
