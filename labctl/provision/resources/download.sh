# shellcheck shell=sh
# Download a file and accept it only with the expected digest.
#
# The options of curl are those that EL7 has (7.29).
#
# Variables: url, path, sha256, mode.
: "${url:?}" "${path:?}" "${sha256:?}" "${mode:?}"

set -eu
mkdir -p "$(dirname "$path")"
new=$(mktemp "$path.XXXXXX")
trap 'rm -f "$new"' EXIT
curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --output "$new" "$url"
seen=$(sha256sum <"$new")
if [ "${seen%% *}" != "$sha256" ]; then
  echo "$url has another digest than expected"
  echo "expected sha256 $sha256"
  echo "received sha256 ${seen%% *}"; exit 1
fi
chmod "$mode" "$new"
mv -fT "$new" "$path"
trap - EXIT
if command -v restorecon >/dev/null 2>&1; then restorecon "$path" || :; fi
