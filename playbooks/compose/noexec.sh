# shellcheck shell=sh
# Print "noexec" if programs cannot be started from /tmp.

found=
while read -r _ place _ options _; do
  # The last line for a place counts; a place above /tmp counts if /tmp has none of its own.
  case $place in
  /tmp) found=$options ;;
  /) [ -n "$found" ] || found=$options ;;
  esac
done </proc/mounts
case ,$found, in *,noexec,*) echo noexec ;; esac
