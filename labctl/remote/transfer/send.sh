# shellcheck shell=sh
# Write files and folders to stdout as a tar stream.
#
# Arguments: FOLLOW, then LIVE FOLDER NAME for each.
#   FOLLOW  "-h" to follow links, else empty
#   LIVE    anything if the kernel makes up the content, else empty
# Stderr: complaints, and how many bytes were written.

LC_ALL=C; export LC_ALL; unset CDPATH TAR_OPTIONS
follow=$1; shift
made='' status=0
# shellcheck disable=SC2329
clean() { [ -z "$made" ] || { chmod -R u+rwx "$made"; rm -rf "$made"; }; }
trap clean EXIT
trap 'exit 1' HUP INT TERM PIPE
count=$(($# / 3))
while [ "$count" -gt 0 ]; do
  live=$1 folder=$2 name=$3; shift 3
  if [ -n "$live" ]; then
    # tar believes the size that such a file shows, which is 0 or a page; cp reads to the end.
    # Nothing that the kernel makes up is big, but /proc/kcore shows all of the memory there can be.
    [ -n "$made" ] || made=$(mktemp -d) || exit 1
    mkdir "$made/$count" || exit 1
    (ulimit -f 2097152; exec cp -R -H ${follow:+-L} --preserve=mode,timestamps \
      "$folder/$name" "$made/$count/") || status=1
    folder=$made/$count
  fi
  set -- "$@" -C "$folder" "./$name"
  count=$((count - 1))
done
tar -c -f - --totals --format=gnu --numeric-owner --quoting-style=escape ${follow:+"$follow"} \
  "$@" || status=$?
exit "$status"
