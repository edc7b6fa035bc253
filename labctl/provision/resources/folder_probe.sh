# shellcheck shell=sh
# Print "DIGEST MODE OWNER NAME" for each file that exists, then "=" and the files kept as ours.
#
# The names of the files are the arguments, relative to the folder.
#
# Variables: folder, kept (path of the list).
: "${folder:?}" "${kept:?}"

cd "$folder" 2>/dev/null || exit 1
for file; do
  [ -f "$file" ] || continue
  digest=$(sha256sum <"$file")
  printf '%s %s %s\n' "${digest%% *}" "$(stat -c '%04a %U' "$file")" "$file"
done
echo '='; cat "$kept" 2>/dev/null || :
