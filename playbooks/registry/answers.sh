# shellcheck shell=sh
# On the node that runs the registry: succeed if it answers and requires a login.
#
# Variables: address (HOST:PORT), authority (path of the certificate of the authority).
: "${address:?}" "${authority:?}"

code=$(curl --silent --output /dev/null --max-time 10 --cacert "$authority" \
  --resolve "$address:127.0.0.1" --write-out '%{http_code}' "https://$address/v2/")
[ "$code" = 401 ] || { echo "it answers $code instead of 401"; exit 1; }
