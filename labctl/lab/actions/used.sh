# shellcheck shell=sh
# Print how many KiB the files on this node's disks take.

df -P -k | awk '$1 ~ "^/dev/" && !seen[$1]++ { sum += $3 } END { print sum + 0 }'
