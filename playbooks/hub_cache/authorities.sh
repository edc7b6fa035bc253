# shellcheck shell=sh
# Set $file to the certificates that the node trusts: the place on CentOS, then on Debian.

for file in /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/certs/ca-certificates.crt; do
  if [ -e "$file" ]; then break; fi
done
