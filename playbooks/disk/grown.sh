# shellcheck shell=sh disable=SC2154
# Succeeds if the root file system fills its disk.
[ "$behind" -lt 131072 ] || { echo "$((behind / 2097152)) GiB of the disk are unused"; exit 1; }
case $(lsblk -n -d -o TYPE "$root") in
lvm)
  size() { "$@" | tr -d ' ' | cut -d . -f 1; }
  unused=$(($(size pvs --noheadings --nosuffix --units s -o dev_size "/dev/$part") \
    - $(size pvs --noheadings --nosuffix --units s -o pv_size "/dev/$part")))
  [ "$unused" -lt 131072 ] || { echo "the LVM volume is smaller than its disk"; exit 1; }
  group=$(lvs --noheadings -o vg_name "$root" | tr -d ' ')
  free=$(size vgs --noheadings --nosuffix --units s -o vg_free "$group")
  [ "$free" -lt 131072 ] || { echo "the LVM volume group has free space"; exit 1; }
  ;;
*)
  # The file system's own structures take a few per cent.
  total=$(($(stat -f -c '%b * %S' /) / 512))
  [ $((total * 10)) -ge $(($(cat "/sys/class/block/$part/size") * 9)) ] ||
    { echo "the file system is smaller than its partition"; exit 1; }
  ;;
esac
