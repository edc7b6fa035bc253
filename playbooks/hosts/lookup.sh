# shellcheck shell=sh
# Functions that look up names as if labctl had not pinned them in /etc/hosts.
#
# A pinned name is looked up in the rest of /etc/hosts, then by the other services in nsswitch.conf:
# dns as a rule, but some nodes have resolve or sss. Without other services getent is not called,
# because EL7's getent would then use nsswitch.conf after all. A name without a pin takes the node's
# usual way. A cache on the node that also reads /etc/hosts, such as dnsmasq, is trusted.

pinned=$(sed -n '/^# labctl pins: begin/,/^# labctl pins: end/p' /etc/hosts 2>/dev/null |
  tr '\n' ' ')
services=$(sed -n '/^[[:space:]]*hosts:/ {
  s/#.*//; s/^[[:space:]]*hosts:/ /; s/[[:space:]]files\([[:space:]]*\[[^]]*\]\)*//g; p; q
}' /etc/nsswitch.conf 2>/dev/null | grep '[a-z]')

resolved() { # NAME: print its IPv4 addresses, one a line
  case $pinned in
  *" $1 "*)
    lines=$(sed '/^# labctl pins: begin/,/^# labctl pins: end/d; s/#.*//' /etc/hosts |
      awk -v name="$1" '$1 !~ /:/ { for (i = 2; i <= NF; i++) if ($i == name) print $1 }')
    if [ -n "$lines" ]; then printf '%s\n' "$lines"
    elif [ -n "$services" ]; then getent -s "hosts:$services" ahostsv4 "$1"; fi;;
  *) getent ahostsv4 "$1";;
  esac | cut -d' ' -f1 | sort -u
}

answers() { # NAME [ADDRESS]: succeed if the name answers over TLS with its own certificate
  curl --silent --output /dev/null --connect-timeout 15 --max-time 30 \
    ${2:+--resolve "$1:443:$2"} "https://$1/"
}
