#!/bin/sh
# preflight.sh: prints in one line what `make demo` and `make test` need and this machine lacks, and fails.
# Nothing is changed: what the probes mount and make is in namespaces of their own.

need() {
  echo "This needs $*." >&2
  exit 1
}

# shellcheck source=/dev/null
kind=$( (. "${LABCTL_TESTBED_OS_RELEASE:-/etc/os-release}" && echo "${ID:-} ${VERSION_ID:-}") 2>/dev/null)
case $kind in
"debian 12" | "debian 13") ;;
*) need "Debian 12 or 13 (a virtual machine will do); this is '${kind% }'" ;;
esac
[ "$(uname -m)" = x86_64 ] || need "an amd64 processor; this is $(uname -m)"

as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || need "root: run it as root, or install sudo"
  if [ -t 0 ]; then as_root=sudo; else as_root="sudo -n"; fi
  $as_root true 2>/dev/null || need "root: run it as root, or as a user that may use sudo"
fi

# What a world does: a network, processes and mounts of its own, and overlays for its nodes.
probe='
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
if command -v ip; then ip link add labctl0 type bridge && ip link add ve0 type veth peer name ve1; fi
[ -w /sys/fs/cgroup ]
[ -e /dev/loop-control ]
'
$as_root unshare --mount --propagation=private --net --pid --fork sh -c "$probe" >/dev/null 2>&1 ||
  need "the right to make namespaces, mounts, bridges, loop devices and control groups:" \
    "a machine or virtual machine, or a container started with --privileged"

# free KIB FOLDER
free() { [ "$(df --output=avail "$2" | tail -n 1)" -ge "$1" ]; }
free 6000000 /var/tmp || need "6 GB of free disk space in /var/tmp"
memory=$(awk '/^MemAvailable/ {print $2}' /proc/meminfo)
[ "$memory" -ge 3000000 ] || need "3 GB of free memory; $((memory / 1000)) MB are free"
