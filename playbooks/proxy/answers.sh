# shellcheck shell=sh
# Functions that try a proxy from the node, and that find settings of somebody else.
#
# Variables: file (with labctl's variables), digest (of the file that labctl would write).
: "${file:?}" "${digest:?}"

is_new() { # fail if the node has these proxies already
  seen=$(sha256sum 2>/dev/null <"$file")
  [ "${seen%% *}" != "$digest" ]
}

try() { # SCHEME PROXY URL: print "tried SCHEME EXIT_CODE STATUS URL"
  command -v curl >/dev/null || return 0
  # The status of the proxy's answer to CONNECT, else that of the answer itself.
  answer=$(
    no_proxy='' NO_PROXY='' http_proxy=$2 https_proxy=$2
    export no_proxy NO_PROXY http_proxy https_proxy
    curl --silent --head --output /dev/null --connect-timeout 10 --max-time 20 \
      --write-out '%{http_connect} %{http_code}' "$3"
  )
  code=$?
  connect=${answer% *}
  case $1 in https) status=$connect ;; *) status=${answer#* } ;; esac
  echo "tried $1 $code $status $3"
}

others() { # print "own PATH" for each file that sets a proxy without labctl
  if grep -q '^[[:space:]]*proxy[[:space:]]*=' /etc/yum.conf 2>/dev/null; then
    echo 'own /etc/yum.conf'
  fi
  for unit in /etc/systemd/system/docker.service /etc/systemd/system/docker.service.d/*.conf; do
    case $unit in */labctl-proxy.conf) continue ;; esac
    if grep -qi '^[^#;]*https\{0,1\}_proxy=' "$unit" 2>/dev/null; then echo "own $unit"; fi
  done
}
