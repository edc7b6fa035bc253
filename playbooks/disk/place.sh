# shellcheck shell=sh disable=SC2034
# Describes what the root file system is on: $root, and for the partition below it $part,
# $disk and $number. Sizes in sysfs are in sectors of 512 bytes.
root=$(findmnt -n -o SOURCE / | sed 's/\[.*//')
part=$(lsblk -n -s -l -o NAME,TYPE "$root" | awk '$2 == "part" { print $1; exit }')
disk=$(lsblk -n -s -l -o NAME,TYPE "$root" | awk '$2 == "disk" { print $1; exit }')
number=$(cat "/sys/class/block/$part/partition" 2>/dev/null)
if [ -z "$part" ] || [ -z "$disk" ] || [ -z "$number" ]; then
  echo "the root file system on $root is not on a partition" >&2
  exit 1
fi
# Sectors of the disk behind the partition; less than 64 MiB is not worth a change.
behind=$(($(cat "/sys/class/block/$disk/size") - $(cat "/sys/class/block/$part/start") \
  - $(cat "/sys/class/block/$part/size")))
