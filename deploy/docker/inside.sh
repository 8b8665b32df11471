#!/usr/bin/env bash
# inside.sh ROOT COMMAND...: runs it as a pod would, in a mount namespace of its own: ROOT read-only, /tmp and /data in
# memory, not as root, with no environment but LOCKSTEP_*. Needs root.
set -euo pipefail
exec unshare --mount bash -euc '
  root=$1; shift
  mount --bind "$root" "$root"; mount -o remount,bind,ro "$root"
  mount -t tmpfs tmpfs "$root/tmp"; mount -t tmpfs -o mode=1777 tmpfs "$root/data"
  mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
  mapfile -t settings < <(env | grep ^LOCKSTEP_ | grep -v ^LOCKSTEP_LOCAL_ || true)
  exec env -i PATH=/opt/lockstep/bin:/usr/local/bin:/usr/bin:/bin LOCKSTEP_DATA_DIR=/data "${settings[@]}" \
    "$(command -v chroot)" --userspec=10001:10001 "$root" "$@"' inside "$@"
