# shellcheck shell=sh
# Overwrite free space, so that nothing of a removed file is left on the disk, and power off.
#
# The machine's disk drops blocks of zeros, so this does not make it larger. It prints how far it is.

sync
fstrim --all >/dev/null 2>&1 || :

# Swap holds pieces of memory. Its id stays, because fstab may name it.
tail -n +2 /proc/swaps | while read -r place kind size _; do
  id=$(blkid -s UUID -o value "$place") || id=
  swapoff "$place" || continue
  dd if=/dev/zero of="$place" bs=1024k count="$((size / 1024))" conv=notrunc 2>/dev/null || :
  mkswap ${id:+-U "$id"} "$place" >/dev/null
  [ "$kind" != file ] || chmod 600 "$place"
done

zeros() { # FILE: take all space, in ever smaller blocks
  # Past the page cache it is several times faster, where the file system can.
  dd if=/dev/zero of="$1.1" bs=4096k oflag=direct 2>/dev/null
  dd if=/dev/zero of="$1.2" bs=1024k 2>/dev/null
  dd if=/dev/zero of="$1.3" bs=4k 2>/dev/null
  sync
}

wipe() { # FOLDER: fill its file system with zeros, and free it again
  file=$1/.labctl-zeros
  zeros "$file" &
  while kill -0 $! 2>/dev/null; do
    sleep 2
    echo "wiped $(du -cm "$file".* 2>/dev/null | tail -n 1 | cut -f 1)"
  done
  rm -f "$file".*
}

for reserved in /sys/fs/ext4/*/reserved_clusters; do
  [ ! -w "$reserved" ] || echo 0 >"$reserved"
done
# Each file system of a disk once; a container's layers are folders of one of them.
awk '$1 ~ "^/dev/" && $3 ~ "^(ext[234]|xfs|btrfs|vfat)$" && !seen[$1]++ && $4 ~ "^rw" { print $2 }' \
  /proc/mounts | while read -r folder; do wipe "$folder"; done

# Services write logs while they stop, so nothing may be written any more before the power goes off.
sync
echo u >/proc/sysrq-trigger
sleep 3
echo sealed
(sleep 2; echo o >/proc/sysrq-trigger) </dev/null >/dev/null 2>&1 &
