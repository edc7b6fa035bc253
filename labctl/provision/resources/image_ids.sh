# shellcheck shell=sh
# Print the id and the digests of an image on this node, then its id in the registry of the lab.
#
# Variables: image, manifest (its URL in the registry), authority (path of the certificate of the
# authority), login (base64 of USER:PASSWORD).
: "${image:?}" "${manifest:?}" "${authority:?}" "${login:?}"

docker image inspect --format '{{.Id}} {{range .RepoDigests}}{{.}} {{end}}' "$image" 2>/dev/null ||
  echo -
# The login goes by stdin, because every user of the node can read a command line.
# The only "config" of a manifest is an object without objects in it.
printf 'header = "Authorization: Basic %s"\nheader = "Accept: %s"\n' "$login" \
  application/vnd.docker.distribution.manifest.v2+json |
  curl --silent --fail --config - --connect-timeout 5 --max-time 20 --cacert "$authority" \
    "$manifest" | tr -d ' \t\r\n' |
  sed -n 's/.*"config":{[^}]*"digest":"\(sha256:[0-9a-f]*\)".*/\1/p'
echo
