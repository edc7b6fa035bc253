# shellcheck shell=sh
# Remove the certificate and the key of the lab's cache.

rm -rf /etc/labctl/hub-cache
