# shellcheck shell=sh
# Write files and folders to stdout as a tar stream. Arguments: tar's.

LC_ALL=C; export LC_ALL; unset CDPATH
exec tar -c -f - "$@"
