# shellcheck shell=sh
# Print yum's repositories: those that are defined, and whether those that are on answer.
#
#   section ID FILE SWITCH     SWITCH is the value of "enabled"; - if there is no such line
#   dead ID CODE URL           CODE is curl's
#
# It fetches nothing but what yum would read first. Changes nothing, and needs no root.
#
# Variables: own (how the ids of labctl's repositories begin).
: "${own:?}"

trimmed() { # TEXT: set $trimmed
  trimmed=${1#"${1%%[![:space:]]*}"}
  trimmed=${trimmed%"${trimmed##*[![:space:]]}"}
}
# shellcheck disable=SC1091
release=$(. /etc/os-release 2>/dev/null; echo "${VERSION_ID%%.*}")
variables="s|\$releasever|$release|g;s|\$basearch|$(uname -m)|g;s|\$arch|$(uname -m)|g"
for file in /etc/yum/vars/*; do
  if [ -r "$file" ] && read -r value <"$file"; then
    variables="$variables;s|\$${file##*/}|$value|g"
  fi
done
proxy=
while IFS='=' read -r key value; do
  trimmed "$key"; if [ "$trimmed" = proxy ]; then trimmed "$value"; proxy=$trimmed; fi
done </etc/yum.conf 2>/dev/null

finish() {
  [ -n "$id" ] || return 0
  echo "section $id $file ${on:--}"
  case $id in "$own"*) return 0 ;; esac
  case $on in 0 | no | No | false | False | off | Off) return 0 ;; esac
  case $skipped in 1 | yes | Yes | true | True | on | On) return 0 ;; esac
  url=$list
  if [ -n "$base" ]; then url=${base%/}/repodata/repomd.xml; fi
  [ -n "$url" ] || return 0
  url=$(printf '%s\n' "$url" | sed "$variables")
  ( curl --silent --fail --location --output /dev/null --connect-timeout 5 --max-time 10 \
      ${proxy:+--proxy "$proxy"} "$url" </dev/null || echo "dead $id $? $url" ) &
}
for file in /etc/yum.repos.d/*.repo; do
  [ -r "$file" ] || continue
  id=
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      '#'* | ';'*) continue ;;
      '['*']'*) finish; id=${line#?}; id=${id%%]*}; on='' base='' list='' skipped=''; continue ;;
    esac
    trimmed "${line%%=*}"; key=$trimmed
    trimmed "${line#*=}"
    case $key in
      enabled) on=$trimmed ;;
      baseurl) base=${trimmed%%[ ,]*} ;;
      mirrorlist | metalink) list=$trimmed ;;
      skip_if_unavailable) skipped=$trimmed ;;
    esac
  done <"$file"
  finish
done
wait
exit 0
