# shellcheck shell=sh
# Print what a path or a pattern stands for.
#
# Arguments: FOLLOW MEASURE RAW, then WILD WORD BASE SHOWN for each alternative of its braces.
#   FOLLOW   "-L" to follow links, else empty
#   MEASURE  anything to measure sizes, which walks through all files; else empty
#   RAW      the path as the user wrote it; used if nothing else is found
#   WILD     anything if there are wildcards, else empty
#   WORD     the path in the syntax of sh, with everything but wildcards quoted
#   BASE     the folder above the first wildcard, or the path
#   SHOWN    how the user knows it
# Stdout: kind, folder, name in that folder, name to keep, and bytes (empty if not measured), each
# followed by a NUL. Kinds:
#   file folder contents                 found; contents: of a folder, without a name of its own
#   live-file live-folder live-contents  the same, on a file system whose files have no true size
#   denied absent special dangling loop  not copied; the name is the path
#   literal                              what came before is void, as RAW is there

LC_ALL=C; export LC_ALL; unset CDPATH
follow=$1 measure=$2 raw=$3; shift 3
problem() { printf '%s\0' "$1" '' "$2" '' ''; }
missing() { # BASE WILD SHOWN
  up=$1
  while [ ! -d "$up" ]; do
    case $up in /*/* | [!/]*/*) up=${up%/*} ;; /*) up=/ ;; *) up=. ;; esac
  done
  if [ ! -x "$up" ] || { [ -n "$2" ] && [ ! -r "$up" ]; }; then problem denied "$3"
  else problem absent "$3"
  fi
}
system='' near=''
live() { # PATH KIND: tell whether the kernel makes up the content
  if [ "$2" != file ] || [ -L "$1" ] || [ "${1%/*}" != "$near" ]; then
    system=$(stat -f -c %T "$1" 2>/dev/null)
    near=
    [ "$2" != file ] || [ -L "$1" ] || near=${1%/*}
  fi
  case $system in
  proc | sysfs | debugfs | tracefs | securityfs | cgroup*fs | configfs | pstorefs | efivarfs | \
    selinux | bpf_fs) return 0 ;;
  esac
  return 1
}
loop() { # FOLDER: print the first link below it that leads back to a folder above itself
  # find is not among coreutils.
  # shellcheck disable=SC2012
  ls -RLU "$1/." 2>&1 >/dev/null | while IFS= read -r line; do
    case $line in *': not listing already-listed directory')
      line=${line#ls: }
      printf '%s' "${line%: not listing already-listed directory}"
      break ;;
    esac
  done
}
one() { # PATH: print what it is
  path=$1
  case $path in /) ;; */) path=${path%/} ;; esac
  case $path in /*) ;; *) path=$PWD/$path ;; esac
  keep=${path##*/}
  case $keep in
  '' | . | ..) kind=contents ;;
  *)
    if [ -d "$path" ]; then kind=folder
    elif [ -f "$path" ]; then kind='file'
    elif [ -e "$path" ]; then problem special "$1"; return
    else
      case $(ls -dL "$path" 2>&1) in
      *': Permission denied') problem denied "$1" ;;
      *) problem dangling "$1" ;;
      esac
      return
    fi ;;
  esac
  if [ ! -r "$path" ] || { [ "$kind" != file ] && [ ! -x "$path" ]; }; then
    problem denied "$1"; return
  fi
  if live "$path" "$kind"; then
    # Not resolved: /etc/mtab leads to what belongs to the process that looks.
    case $kind in contents) set -- . '' ;; *) set -- "$keep" "$keep" ;; esac
    printf '%s\0' "live-$kind" "${path%/*}/" "$@" ''
    return
  fi
  if [ -L "$path" ]; then path=$(readlink -f "$path"; printf x); path=${path%?x}; fi
  if [ -n "$follow" ] && [ "$kind" != file ]; then
    where=$(loop "$path")
    if [ -n "$where" ]; then problem loop "$where"; return; fi
  fi
  bytes=
  [ -z "$measure" ] ||
    bytes=$(du -s ${follow:+"$follow"} --apparent-size -B1 "$path" 2>/dev/null)
  case $kind in
  contents) printf '%s\0' contents "$path" . '' "${bytes%%[!0-9]*}" ;;
  *)
    at=${path%/*}
    printf '%s\0' "$kind" "${at:-/}" "${path##*/}" "$keep" "${bytes%%[!0-9]*}" ;;
  esac
}
any=
# shellcheck disable=SC2329
try() { # PATH: one of those that the pattern may stand for
  case ${1%/} in */. | */..) [ -z "$wild" ] || return 0 ;; esac
  if [ -e "$1" ] || [ -L "$1" ]; then hit=yes any=yes; one "$1"; fi
}
while [ $# -gt 0 ]; do
  wild=$1 hit=
  eval "for path in $2; do try \"\$path\"; done"
  [ -n "$hit" ] || missing "$3" "$1" "$4"
  shift 4
done
wild=
if [ -z "$any" ] && { [ -e "$raw" ] || [ -L "$raw" ]; }; then
  problem literal ''
  one "$raw"
fi
exit 0
