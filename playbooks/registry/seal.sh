# shellcheck shell=sh
# Remove the certificate, the key and the password of the lab's registry.

rm -rf /etc/labctl/registry
