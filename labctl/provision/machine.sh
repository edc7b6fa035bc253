# shellcheck shell=sh
# Print how a machine is: the login shell, the clock, the disks, and settings of proxies.
#
# Changes nothing, and needs no root.

user=${SUDO_USER:-$(id -un)}
entry=$(getent passwd "$user" || grep "^$user:" /etc/passwd)
echo "shell ${entry##*:}"
echo "clock $(date +%s)"
store=/var/lib/docker
[ -d "$store" ] || store=/var/lib
df -Pk / "$store" 2>/dev/null | while read -r _ size _ free _ place; do
  echo "disk $size $free $place"
done
for file in /etc/environment /etc/profile.d/*.sh /etc/yum.conf /etc/systemd/system.conf.d/*.conf \
    /etc/systemd/system/docker.service.d/*.conf /etc/sysconfig/docker /root/.curlrc; do
  if [ -r "$file" ]; then
    grep -i 'proxy' "$file" | while IFS= read -r line; do echo "proxy $file $line"; done
  fi
done
exit 0
