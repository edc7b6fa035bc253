# shellcheck shell=sh
# Print "CODE SECONDS URL" for each registry mirror. All are tried at the same time.
#
# Variables:
#   candidates  URLs
#   way         the proxy that the node uses; another one needs another measurement
: "${candidates?}" "${way?}"

for url in $candidates; do
  ( curl --silent --output /dev/null --connect-timeout 10 --max-time 15 \
      --write-out "%{http_code} %{time_total} $url\n" "$url/v2/" ) &
done
wait
