# shellcheck shell=sh
# Print what keeps every check of this node from passing: a word and its value on each line.
LC_ALL=C
export LC_ALL
for place in / /var /var/lib/docker /tmp; do
  [ -d "$place" ] || continue
  df -Pk "$place" 2>/dev/null | {
    read -r _
    read -r _ _ _ free _ mount || exit 0
    case $free in '' | *[!0-9]*) exit 0 ;; esac
    [ "$free" -ge 10240 ] || echo "disk $((free / 1024)) $mount"
  }
  df -Pi "$place" 2>/dev/null | {
    read -r _
    read -r _ total _ free _ mount || exit 0
    case $free$total in '' | *[!0-9]*) exit 0 ;; esac
    [ "$total" -eq 0 ] || [ "$free" -ge 100 ] || echo "files $free $mount"
  }
done
if ! command -v docker >/dev/null; then
  echo 'engine missing'
  exit 0
fi
said=$(timeout 15 docker version --format '{{.Server.Version}}' 2>&1 >/dev/null)
code=$?
case $code:$said in
0:*) ;;
124:*) echo 'engine silent' ;;
*'permission denied'*) echo 'engine denied' ;;
*)
  state=$(systemctl is-active docker 2>/dev/null)
  echo "engine ${state:-unknown}"
  ;;
esac
