# shellcheck shell=sh
# Adds the public key $1 to the login user's authorized_keys, unless the key is there.
set -e
cd
umask 077
mkdir -p .ssh
file=.ssh/authorized_keys
words=$(printf '%s\n' "$1" | cut -d ' ' -f 1,2)
if ! grep -qF -e "$words" "$file" 2>/dev/null; then
  # A last line without an end would swallow the key.
  [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || echo >>"$file"
  printf '%s\n' "$1" >>"$file"
fi
# With SELinux, sshd reads no file of another type.
if command -v restorecon >/dev/null; then restorecon -RF .ssh >/dev/null 2>&1 || :; fi
