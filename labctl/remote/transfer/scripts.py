"""What a node runs to give and take files: POSIX sh, coreutils and tar, no Python.

Every path and name comes in as an argument and never as text of a script. Paths are absolute or
begin with "./", so that no tool takes one for an option. What the tools say goes to stderr and is
shown to the user as it is.
"""

from __future__ import annotations

_OPENING = """\
LC_ALL=C; export LC_ALL; unset CDPATH
fail() { printf '%s\\n' "$1" >&2; exit 1; }
"""

_MOVE = """\
put() { # FROM TO: move a received file or folder to its final name
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    stamp=$(stat -c '%a %Y' "$1") || exit 1
    # Without write permission a folder can neither be moved nor emptied.
    chmod u+rwx "$1" || exit 1
    if [ ! -e "$2" ] && [ ! -L "$2" ] && mv -T "$1" "$2" 2>/dev/null; then
      : # the whole tree at once
    elif [ -d "$2" ]; then # perhaps only just made by another copy
      [ -w "$2" ] || chmod u+w "$2" 2>/dev/null
      merge "$1" "$2" || exit 1
      touch -d "@${stamp#* }" "$2" 2>/dev/null
    elif [ -e "$2" ] || [ -L "$2" ]; then
      fail "$2: Not a directory"
    else
      mv -T "$1" "$2" || exit 1
    fi
    chmod "${stamp% *}" "$2" 2>/dev/null
  else
    plain "$2"
    mv -f -T "$1" "$2" || exit 1
  fi
}
plain() { # TO: refuse to put a file over what is none
  [ ! -d "$1" ] || fail "$1: Is a directory"
  [ ! -e "$1" ] || [ -f "$1" ] || fail "$1: Not a regular file"
}
merge() ( # FROM TO: file by file; in a subshell, so that variables are its own
  from=$1 to=$2
  set --
  for entry in "$from"/* "$from"/.[!.]* "$from"/..?*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    if [ -d "$entry" ] && [ ! -L "$entry" ]; then
      put "$entry" "$to/${entry##*/}"
    else
      plain "$to/${entry##*/}"
      set -- "$@" "$entry"
      # One mv for many files: to start a program is slow where the processor is emulated.
      [ $# -lt 200 ] || { mv -f -t "$to" "$@" || exit 1; set --; }
    fi
  done
  [ $# -eq 0 ] || mv -f -t "$to" "$@"
)
"""

RECEIVE = (
    _OPENING
    + _MOVE
    + """\
# PATH MUST OWNER ONLY STAGE END, then KIND NAME of each root. MUST is "folder" where PATH has to be
# one; ONLY is "new" where root too may replace nothing.
# Answers on stdout: "ready", and "done" in the end; or "denied new", or "denied old" where
# something would be replaced. The tar stream is read in between.
path=$1 must=$2 owner=$3 only=$4 prefix=$5 end=$6; shift 6
exec 3>&1 1>&2
denied() { printf 'denied %s\\n' "$1" >&3; exit 0; }
reach() { # end with "denied" where the folder $1 may only be out of sight
  up=$1
  while [ ! -d "$up" ]; do up=${up%/*}; [ -n "$up" ] || up=/; done
  [ -x "$up" ] || denied new
}
name=
if [ -d "$path" ]; then
  at=$path
else
  at=${path%/*}; [ -n "$at" ] || at=/
  reach "$at"
  [ -d "$at" ] || fail "$at: No such file or directory"
  if [ -e "$path" ] || [ -L "$path" ]; then
    [ -z "$must" ] || fail "$path: Not a directory"
    # As with scp, a file goes to where a link leads, and the link stays.
    if [ -f "$path" ] && [ -L "$path" ]; then
      path=$(readlink -f "$path"; printf x); path=${path%?x}
      at=${path%/*}; [ -n "$at" ] || at=/
    fi
  else
    [ -z "$must" ] || fail "$path: No such file or directory"
  fi
  name=${path##*/}
fi
[ -x "$at" ] || denied new
cd "$at" || exit 1
# Root is only stopped by what mktemp says better, such as a file system that is read-only.
barred=
[ -w . ] || [ "$(id -u)" -eq 0 ] || barred=yes
if [ -n "$barred$only" ]; then
  state=new kind=
  for word in "$@"; do
    if [ -z "$kind" ]; then kind=$word; continue; fi
    kind=
    # The name of a content is empty: it goes into ./ itself, over what is in there.
    if [ -e "./${name:-$word}" ] || [ -L "./${name:-$word}" ]; then state=old; fi
  done
  if [ -n "$barred" ] || [ "$state" = old ]; then denied "$state"; fi
fi
host=$(uname -n)
case $host in
*[!A-Za-z0-9-]*) host=$(printf '%s\n' "$host" | tr -c 'A-Za-z0-9\n' -) ;;
esac
for old in ./"$prefix"*; do # of copies that were killed
  [ -d "$old" ] && [ ! -L "$old" ] || continue
  maker=${old#./"$prefix"}
  case $maker in
  "$host".[0-9]*.*)
    maker=${maker#*.}; maker=${maker%%.*}
    case $maker in *[!0-9]*) continue ;; esac
    [ ! -e "/proc/$maker" ] || continue ;;
  *.[0-9]*.*) # another machine's, in a folder that both have
    made=$(stat -c %Y "$old" 2>/dev/null) || continue
    [ $(($(date +%s) - made)) -gt 86400 ] || continue ;;
  *) continue ;;
  esac
  rm -rf "$old"
done
stage=$(mktemp -d "./$prefix$host.$$.XXXXXXXX") || exit 1
clean() { rm -rf "$stage" 2>/dev/null || { chmod -R u+rwx "$stage"; rm -rf "$stage"; }; }
trap clean EXIT
trap 'exit 1' HUP INT TERM PIPE
printf 'ready\\n' >&3
tar -x -p -o -f - -C "$stage" || exit 1
[ -f "$stage/$end" ] || fail 'the copy was cut off'
rm "$stage/$end"
[ -n "$owner" ] || owner=${SUDO_UID:+$SUDO_UID:$SUDO_GID}
[ -z "$owner" ] || chown -R -h -- "$owner" "$stage"/* || exit 1
index=0
while [ $# -gt 0 ]; do
  if [ "$1" = contents ] && [ -z "$name" ]; then
    chmod u+rwx "$stage/$index"
    merge "$stage/$index" . || exit 1
  else
    put "$stage/$index" "./${name:-$2}"
  fi
  index=$((index + 1)); shift 2
done
printf 'done\\n' >&3
"""
)

LOOK = (
    _OPENING
    + """\
# FOLLOW MEASURE, then PATHs or patterns. Answers for each that is found, with a NUL behind each:
# kind, folder, name in that folder, name to keep, bytes. FOLLOW is "-L" or ""; without
# MEASURE there are no bytes.
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
    elif [ -f "$real" ]; then kind=file
    else ls -dL "$path" >/dev/null && fail "$path: Not a regular file"; exit 1
    fi ;;
  esac
  bytes=
  [ -z "$measure" ] || bytes=$(du -s $follow --apparent-size -B1 "$real" 2>/dev/null)
  case $kind in
  contents) printf '%s\\0' contents "$real" . '' "${bytes%%[!0-9]*}" ;;
  *)
    at=${real%/*}
    printf '%s\\0' "$kind" "${at:-/}" "${real##*/}" "$keep" "${bytes%%[!0-9]*}" ;;
  esac
}
for path in "$@"; do
  if [ -e "$path" ] || [ -L "$path" ]; then one "$path"; continue; fi
  # With no separators an unquoted word is a pattern and nothing else.
  IFS=
  for found in $path; do one "$found"; done
done
"""
)

GIVE = _OPENING + 'exec tar -c -f - "$@"\n'


def from_home(script: str, user: str) -> str:
    """Return a script that runs in the home of `user`, a valid login name or empty.

    A command over ssh, and sudo in it, begins in the login user's home; that needs no line.
    """
    return f"cd ~{user} || exit 1\n{script}" if user else script
