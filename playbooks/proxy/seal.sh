# shellcheck shell=sh
# Remove the room's proxy, which may have a password, and what labctl remembers of users' settings.

rm -f /etc/labctl-proxy.env /etc/profile.d/labctl-proxy.sh /etc/sudoers.d/labctl-proxy
rm -f /etc/systemd/system/docker.service.d/labctl-proxy.conf
rm -rf /var/lib/labctl/proxy
