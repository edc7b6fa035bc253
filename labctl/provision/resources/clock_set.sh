# shellcheck shell=sh
# Set the clock, unless a time server keeps it.
#
# Variables: now (seconds since 1970).
: "${now:?}"

case $(timedatectl 2>/dev/null) in *'ynchronized: yes'*)
  echo "a time server keeps this node's clock; check the clock of your own computer"
  exit 1 ;;
esac
date -u -s "@$now" >/dev/null || exit
hwclock --systohc 2>/dev/null || :
