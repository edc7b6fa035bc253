# shellcheck shell=sh
# A function about files with public keys.

fingerprints() { # FILE: print the fingerprint of each primary key in it
  # gpg 2.0 (EL7) does not have --show-keys. The fingerprint of a key follows its "pub" record;
  # those after "sub" records belong to subkeys.
  home=$(mktemp -d) &&
    gpg --homedir "$home" --batch --no-tty --with-colons --fixed-list-mode --with-fingerprint \
      "$1" 2>/dev/null | cut -d: -f1,10 | {
      primary=
      while IFS=: read -r kind hex; do
        case $kind in
        pub) primary=1;;
        sub) primary=;;
        fpr) [ -z "$primary" ] || printf '%s\n' "$hex"; primary=;;
        esac
      done
    }
  rm -rf "$home"
}
