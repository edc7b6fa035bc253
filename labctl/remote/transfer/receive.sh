# shellcheck shell=sh
# Unpack the tar stream on stdin beside its final place, then move it there: whole or not at all.
#
# Arguments: PATH MUST OWNER ONLY WRITE STAGE END, then KIND NAME SOURCE for each root.
#   MUST    "folder" if PATH has to be a folder, else empty
#   ONLY    "new" if nothing may be replaced, not even by root; else empty
#   WRITE   "in-place" to write to existing files instead of replacing them, else empty
#   STAGE   how the names of temporary folders begin
#   END     name of the empty file that comes last in the stream
#   SOURCE  where the root comes from if that is this node, else empty
# Stdout: "ready NAME" with the name of the temporary folder before the stream is read, and "done
# COUNT" with the number of entries in the end. Instead of both, "denied new" if the user may not
# write there, or "denied old" if something would also be replaced.
#
# Others may write to the destination too, and rename what is in it at any moment. So this shell
# goes into folders one at a time, looks where it is, and uses nothing but single names and open
# folders from there.

LC_ALL=C; export LC_ALL; unset CDPATH
fail() { printf '%s\n' "$1" >&2; exit 1; }
look() { # set `here` to this folder's path without links
  # Not the shell's own pwd: bash looks the path up again, by its names.
  here=$(env pwd -P && printf x) || exit 1; here=${here%?x}
}
enter() { # NAME: go into a folder of this one
  into=${here%/}/$1
  cd -P "./$1" || exit 1
  look
  [ "$here" = "$into" ] || fail "$into was exchanged during the copy"
}
go() { # PATH: go to a folder; as root, through no link of others that leads to what is not theirs
  case $1 in /*) cd -P / || exit 1 ;; esac
  look
  rest=$1/
  while [ -n "$rest" ]; do
    one=${rest%%/*} rest=${rest#*/}
    case $one in
    '' | .) continue ;;
    ..) cd -P .. || exit 1; look; continue ;;
    esac
    if [ -L "./$one" ]; then through "$one"; rest=$target/$rest; else enter "$one"; fi
  done
}
through() { # NAME: set `target` to where a link leads, and go to / if it begins there
  links=$((links + 1))
  [ $links -le 40 ] || fail "$here/$1: Too many levels of symbolic links"
  by=$(stat -c %u "./$1") || exit 1
  case $by in
  0 | "$me" | "$SUDO_UID") ;;
  *) strangers="$strangers $by" ;;
  esac
  target=$(readlink "./$1" && printf x) || exit 1
  target=${target%?x}
  case $target in /*) cd -P / || exit 1; look ;; esac
}
shared() { # whether others may write to this folder
  rights=$(stat -c '%u %A' .)
  case $rights in
  *' '?????w* | *' '????????w*) return 0 ;;
  "0 "* | "$me "*) return 1 ;;
  esac
}
put() { # FROM NAME: move a received file or folder into this folder
  if [ ! -d "$1" ] || [ -L "$1" ]; then
    put_file "$1" "$2"
  elif [ -L "./$2" ]; then
    # An earlier copy may have put it there, and it may lead anywhere.
    fail "$here/$2 is a link; labctl does not follow links below the destination"
  elif [ ! -e "./$2" ] && whole "$1" "$2"; then
    : # the whole tree at once
  elif [ -d "./$2" ]; then # perhaps only just made by another copy
    stamp=$(stat -c %Y "$1") || exit 1
    (
      enter "$2"
      merge "$1"
      touch -d "@$stamp" . 2>/dev/null
      [ -z "$mode" ] || chmod "$mode" .
    ) || exit 1
  elif [ -e "./$2" ]; then
    fail "$here/$2: Not a directory"
  else
    mv -f -T "$1" "./$2" || exit 1
  fi
}
whole() { # FROM NAME: move a folder to a name that is free; root needs no rights for that
  if [ "$me" -eq 0 ]; then mv -f -T "$1" "./$2" 2>/dev/null; return; fi
  stamp=$(stat -c %a "$1") || exit 1
  case $stamp in *7??) mv -f -T "$1" "./$2" 2>/dev/null; return ;; esac
  chmod u+rwx "$1" || exit 1
  exec 6<"$1"
  mv -f -T "$1" "./$2" 2>/dev/null || return
  chmod "$stamp" /proc/self/fd/6
  exec 6<&-
}
merge() { # FROM: move what is in a received folder here; set `mode` to what this one had
  mode=
  if [ "$me" -ne 0 ]; then
    chmod u+rwx "$1" || exit 1
    if [ ! -w . ] || [ ! -x . ]; then mode=$(stat -c %a .); chmod u+rwx . 2>/dev/null; fi
  fi
  from=$1 exists=
  set --
  for entry in "$from"/* "$from"/.[!.]* "$from"/..?*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    name=${entry##*/}
    if [ -d "$entry" ] && [ ! -L "$entry" ]; then
      ( put "$entry" "$name" ) || exit 1
    else
      plain "$name"
      [ ! -e "./$name" ] || exists=yes
      set -- "$@" "$entry"
      # One mv for many files: to start a program is slow where the processor is emulated.
      [ $# -lt 200 ] || { flush "$@"; set --; }
    fi
  done
  [ $# -eq 0 ] || flush "$@"
}
plain() { # NAME: refuse to put a file over what is none; a link is replaced, not followed
  [ ! -L "./$1" ] || return 0
  [ ! -d "./$1" ] || fail "$here/$1: Is a directory"
  [ ! -e "./$1" ] || [ -f "./$1" ] || fail "$here/$1: Not a regular file"
}
flush() { # FROM...: move files here
  if [ -z "$exists" ] || { [ -z "$write" ] && [ "$(names "$@")" = 1 ]; }; then
    mv -f -t . "$@" 2>/dev/null && return
  fi
  for one in "$@"; do
    [ ! -e "$one" ] && [ ! -L "$one" ] || put_file "$one" "${one##*/}"
  done
}
names() { # FROM...: print how many names the files that will be replaced have, each number once
  for one in "$@"; do shift; set -- "$@" "./${one##*/}"; done
  stat -c %h "$@" 2>/dev/null | sort -u
}
put_file() { # FROM NAME
  plain "$2"
  if [ -f "./$2" ] && [ ! -L "./$2" ] && [ -f "$1" ] && [ ! -L "$1" ]; then
    if [ -n "$write" ] || [ "$(stat -c %h "./$2")" != 1 ]; then
      overwrite "$1" "$2" && return
    fi
    said=$(mv -f -T "$1" "./$2" 2>&1) && return
    # Something is mounted there.
    case $said in *'Device or resource busy'*) overwrite "$1" "$2" && return ;; esac
    fail "$said"
  fi
  mv -f -T "$1" "./$2" || exit 1
}
overwrite() { # FROM NAME: write to a file, for whoever has it by another name, or mounted
  [ -r "./$2" ] || return 1
  exec 7<"./$2"
  file=/proc/self/fd/7
  [ -f "$file" ] || fail "$here/$2 was exchanged during the copy"
  # Who may write to the folder may also have put a hard link to any file there.
  if shared && [ "$(stat -L -c %u "$file")" != "${rights%% *}" ]; then
    [ -z "$write" ] || fail "$here/$2 belongs to another user than its folder"
    return 1
  fi
  cat "$1" >"$file" || exit 1
  [ -z "$owner" ] || chown "$owner" "$file" || exit 1
  chmod "$(stat -c %a "$1")" "$file" 2>/dev/null
  touch -c -r "$1" "$file" 2>/dev/null
  exec 7<&-
  rm -f "$1"
}
path=$1 must=$2 owner=$3 only=$4 write=$5 prefix=$6 end=$7; shift 7
me=$(id -u) links=0 strangers='' given=''
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
  name=${path##*/}
  if [ -e "$path" ] || [ -L "$path" ]; then
    [ -z "$must" ] || fail "$path: Not a directory"
  else
    [ -z "$must" ] || fail "$path: No such file or directory"
  fi
fi
[ -x "$at" ] || denied new
go "$at"
# As with scp, a file goes to where a link leads, and the link stays.
while [ -n "$name" ] && [ -f "./$name" ] && [ -L "./$name" ]; do
  through "$name"
  case $target in
  */*) name=${target##*/}; at=${target%/*}; [ -z "$at" ] || go "$at" ;;
  *) name=$target ;;
  esac
done
if [ "$me" -eq 0 ]; then
  for by in $strangers; do
    [ "$(stat -c %u .)" = "$by" ] || fail "$path leads through a link of another user to $here"
  done
fi
# Root is only stopped by what mktemp says better, such as a file system that is read-only.
barred=
[ -w . ] || [ "$me" -eq 0 ] || barred=yes
state=new count=0
for word in "$@"; do
  count=$((count + 1))
  case $((count % 3)) in
  2) to=./${name:-$word} ;; # the name of a content is empty: it goes into ./ itself
  0)
    if [ -e "$to" ] || [ -L "$to" ]; then
      state=old
      [ -z "$word" ] || [ ! "$word" -ef "$to" ] || fail "$word cannot be copied onto itself"
    fi ;;
  esac
done
if [ -n "$barred" ] || { [ -n "$only" ] && [ $state = old ]; }; then denied $state; fi
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
stage=${stage#./} top=$here unpacked=
exec 5<. # this folder, whatever its name is by then
clean() {
  if [ -n "$unpacked" ]; then
    set -- "$unpacked"/* "$unpacked"/.[!.]* "$unpacked"/..?*
    rm -rf "$@" 2>/dev/null || { chmod -R u+rwx "$@"; rm -rf "$@"; } 2>/dev/null
  fi
  rmdir "/proc/self/fd/5/$stage" 2>/dev/null
}
trap clean EXIT
trap 'exit 1' HUP INT TERM PIPE
enter "$stage"
[ "$(stat -c %u .)" = "$me" ] || fail "$here was exchanged during the copy"
exec 4<.
unpacked=/proc/self/fd/4
printf 'ready %s\n' "$stage" >&3
# tar lists each entry on a line of its own. Its own exit code gets lost in a pipe.
got=$({ { tar -x -v -p -o -f - || printf failed >&6; } | wc -l; } 6>&1)
case $got in *failed*) exit 1 ;; esac
[ -f "./$end" ] || fail 'the copy was cut off'
rm "./$end"
[ -n "$owner" ] || given=${SUDO_UID:+$SUDO_UID:$SUDO_GID}
[ -z "$owner$given" ] || chown -R -h -- "${owner:-$given}" ./* || exit 1
cd -P .. || exit 1
look
[ "$here" = "$top" ] || fail "$top was moved during the copy"
index=0
while [ $# -gt 0 ]; do
  if [ "$1" = contents ] && [ -z "$name" ]; then
    [ "$me" -eq 0 ] || chmod u+rwx "$unpacked/$index"
    ( merge "$unpacked/$index"; [ -z "$mode" ] || chmod "$mode" . ) || exit 1
  else
    put "$unpacked/$index" "${name:-$2}"
  fi
  index=$((index + 1)); shift 3
done
printf 'done %s\n' $((got - 1)) >&3
