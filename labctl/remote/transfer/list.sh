# shellcheck shell=sh
# Print what paths or patterns stand for.
#
# Arguments: FOLLOW MEASURE, then paths or patterns.
#   FOLLOW   "-L" to follow links, else empty
#   MEASURE  anything to measure sizes, which walks through all files; else empty
# Stdout, for each path found: kind, folder, name in that folder, name to keep, and bytes (empty if
# not measured), each followed by a NUL.

LC_ALL=C; export LC_ALL; unset CDPATH
fail() { printf '%s\n' "$1" >&2; exit 1; }
follow=$1 measure=$2; shift 2
one() {
  path=$1
  ls -d "$path" >/dev/null || exit 1
  case $path in /*) ;; *) path=$PWD/$path ;; esac
  keep=${path##*/}
  real=$path
  case $keep in
  '' | . | ..) kind=contents ;;
  *)
    if [ -L "$path" ]; then real=$(readlink -f "$path"; printf x); real=${real%?x}; fi
    if [ -d "$real" ]; then kind=folder
    elif [ -f "$real" ]; then kind='file'
    else ls -dL "$path" >/dev/null && fail "$path: Not a regular file"; exit 1
    fi ;;
  esac
  bytes=
  [ -z "$measure" ] || bytes=$(du -s ${follow:+"$follow"} --apparent-size -B1 "$real" 2>/dev/null)
  case $kind in
  contents) printf '%s\0' contents "$real" . '' "${bytes%%[!0-9]*}" ;;
  *)
    at=${real%/*}
    printf '%s\0' "$kind" "${at:-/}" "${real##*/}" "$keep" "${bytes%%[!0-9]*}" ;;
  esac
}
for path in "$@"; do
  if [ -e "$path" ] || [ -L "$path" ]; then one "$path"; continue; fi
  # With no separators an unquoted word is a pattern and nothing else.
  IFS=
  for found in $path; do one "$found"; done
done
