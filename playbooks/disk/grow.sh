# shellcheck shell=sh disable=SC2154
# Grows the partition, what LVM has on it, and the root file system.
set -e
need() {
  command -v "$1" >/dev/null || { echo "the node has no $1: install $2" >&2; exit 1; }
}
if [ "$behind" -ge 131072 ]; then
  need growpart cloud-utils-growpart
  growpart "/dev/$disk" "$number" || {
    echo "growpart cannot grow partition $number of /dev/$disk; another one may follow it" >&2
    exit 1
  }
fi
case $(lsblk -n -d -o TYPE "$root") in
lvm)
  need lvextend lvm2
  pvresize "/dev/$part"
  # A volume that is as large as it can be is no failure, but lvextend says so.
  lvextend -r -l +100%FREE "$root" || [ "$(vgs --noheadings -o vg_free_count | tr -d ' \n')" = 0 ]
  ;;
*)
  type=$(findmnt -n -o FSTYPE /)
  case $type in
  xfs) need xfs_growfs xfsprogs; xfs_growfs / ;;
  ext2 | ext3 | ext4) need resize2fs e2fsprogs; resize2fs "$root" ;;
  *) echo "labctl cannot grow a root file system of type $type" >&2; exit 1 ;;
  esac
  ;;
esac
