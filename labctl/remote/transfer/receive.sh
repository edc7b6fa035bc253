# shellcheck shell=sh
# Unpack the tar stream on stdin beside its final place, then move it there: whole or not at all.
#
# Arguments: PATH MUST OWNER ONLY STAGE END, then KIND NAME for each root.
#   MUST   "folder" if PATH has to be a folder, else empty
#   ONLY   "new" if nothing may be replaced, not even by root; else empty
#   STAGE  how the names of temporary folders begin
#   END    name of the empty file that comes last in the stream
# Stdout: "ready" before the stream is read and "done" in the end. Instead of both, "denied new" if
# the user may not write there, or "denied old" if something would also be replaced.

LC_ALL=C; export LC_ALL; unset CDPATH
fail() { printf '%s\n' "$1" >&2; exit 1; }
put() { # FROM TO: move a received file or folder to its final name
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    # An earlier copy may have put the link there, and it may lead anywhere.
    [ ! -L "$2" ] || fail "$2 is a link; labctl does not follow links below the destination"
    stamp=$(stat -c '%a %Y' "$1") || exit 1
    # Without write permission a folder can neither be moved nor emptied.
    chmod u+rwx "$1" || exit 1
    if [ ! -e "$2" ] && mv -T "$1" "$2" 2>/dev/null; then
      : # the whole tree at once
    elif [ -d "$2" ]; then # perhaps only just made by another copy
      [ -w "$2" ] || chmod u+w "$2" 2>/dev/null
      merge "$1" "$2" || exit 1
      touch -d "@${stamp#* }" "$2" 2>/dev/null
    elif [ -e "$2" ]; then
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
plain() { # TO: refuse to put a file over what is none; a link is replaced, not followed
  [ ! -L "$1" ] || return 0
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
path=$1 must=$2 owner=$3 only=$4 prefix=$5 end=$6; shift 6
exec 3>&1 1>&2
denied() { printf 'denied %s\n' "$1" >&3; exit 0; }
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
*[!A-Za-z0-9-]*) host=$(printf '%s
' "$host" | tr -c 'A-Za-z0-9
' -) ;;
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
printf 'ready\n' >&3
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
printf 'done\n' >&3
