# shellcheck shell=sh disable=SC2034 # the calls that follow read `put`
# The work of labctl's playbooks as one shell script, as somebody writes it who knows it well: it
# checks everything and does what is missing. It is fed to `sudo sh -s` over ssh; the calls
# of these functions follow below.
set -eu
LC_ALL=C; export LC_ALL

fetch() { curl --fail --silent --show-error --location --output "$2" "$1"; }

print() { # the fingerprint of a key file
  home=$(mktemp -d)
  gpg --homedir "$home" --batch --no-tty --with-colons --with-fingerprint "$1" 2>/dev/null |
    while IFS=: read -r kind _ _ _ _ _ _ _ _ hex _; do
      if [ "$kind" = fpr ]; then printf '%s\n' "$hex"; break; fi
    done
  rm -rf "$home"
}

key() { # PATH SOURCE FINGERPRINT
  if [ -r "$1" ] && [ "$(print "$1")" = "$3" ]; then return; fi
  case $2 in
  file://*) cp "${2#file://}" "$1.new" ;;
  *) fetch "$2" "$1.new" ;;
  esac
  [ "$(print "$1.new")" = "$3" ] || { echo "$2 is another key"; exit 1; }
  chmod 0644 "$1.new"
  mv -f "$1.new" "$1"
}

put() { # PATH MODE CONTENT, without its last line end; sets `put`
  put=
  if [ "$(stat -L -c '%04a %U:%G' "$1" 2>/dev/null)" = "$2 root:root" ] &&
    [ "$(cat "$1")" = "$3" ]; then return; fi
  mkdir -p "${1%/*}"
  printf '%s\n' "$3" >"$1.new"
  chown root:root "$1.new"
  chmod "$2" "$1.new"
  mv -f "$1.new" "$1"
  put=yes
}

block() { # PATH BEGIN END LINES
  now=$(sed -n "\\|^$2\$|,\\|^$3\$|p" "$1")
  wanted=${4:+$2
$4
$3}
  if [ "$now" = "$wanted" ]; then return; fi
  sed "\\|^$2\$|,\\|^$3\$|d" "$1" >"$1.new"
  [ -z "$4" ] || printf '%s\n' "$wanted" >>"$1.new"
  chmod 0644 "$1.new"
  mv -f "$1.new" "$1"
}

packages() { # NAME-VERSION or NAME …
  rpm -q "$@" >/dev/null || yum -y install "$@" || exit 1
}

service() { # NAME
  case $(systemctl show -p UnitFileState -p ActiveState "$1.service") in
  *ActiveState=active*UnitFileState=enabled* | *UnitFileState=enabled*ActiveState=active*) ;;
  *) systemctl reset-failed "$1.service" 2>/dev/null || :; systemctl enable --now "$1.service" ;;
  esac
}

member() { # USER GROUP
  case " $(id -nG "$1") " in *" $2 "*) ;; *) usermod -aG "$2" "$1" ;; esac
}

download() { # PATH URL SHA256 MODE
  if [ "$(stat -L -c '%04a' "$1" 2>/dev/null)" = "$4" ] &&
    [ "$(sha256sum <"$1")" = "$3  -" ]; then return; fi
  fetch "$2" "$1.new"
  [ "$(sha256sum <"$1.new")" = "$3  -" ] || { echo "$2 has another digest"; exit 1; }
  chmod "$4" "$1.new"
  mv -f "$1.new" "$1"
}

link() { # PATH TARGET
  [ "$(readlink "$1")" = "$2" ] || ln -sfn "$2" "$1"
}

well() { # KEY SCRIPT: what is asked once on a new node; the script names what is not well
  if [ -e "/var/lib/provision/$1" ]; then return; fi
  bad=$(eval "$2")
  [ -z "$bad" ] || { echo "$1: $bad"; exit 1; }
  mkdir -p /var/lib/provision
  : >"/var/lib/provision/$1"
}

