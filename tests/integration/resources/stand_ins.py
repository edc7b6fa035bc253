"""Small scripts that stand for what only a CentOS machine with systemd has.

They come first on PATH and keep their state in files: systemctl, yum, rpm, and the user database.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labctl.provision.resources.base import quote
from tests.integration.resources.local_shell import (
    LocalShell,
)

SYSTEMCTL = """\
#!/bin/sh
# Stands for systemctl: keeps enabled/active/failures of units in files, logs its arguments.
# A unit fails to start while $STATE/UNIT.needs names a file whose text is not the wanted one.
unit=; for word; do case $word in *.service) unit=${word%.service};; esac; done
echo "$1 $unit" >>"$STATE/log"
starts() {
  [ -e "$STATE/$unit.needs" ] || return 0
  . "$STATE/$unit.needs"
  [ "$(cat "$file" 2>/dev/null)" = "$text" ]
}
case $1 in
show)
  case "$*" in *Requires*) cat "$STATE/$unit.requires" 2>/dev/null; exit 0;; esac
  cat "$STATE/$unit.enabled" 2>/dev/null || echo UnitFileState=disabled
  cat "$STATE/$unit.active" 2>/dev/null || echo ActiveState=inactive
  echo NeedDaemonReload=no;;
enable) echo UnitFileState=enabled >"$STATE/$unit.enabled";;
restart)
  if starts; then echo ActiveState=active >"$STATE/$unit.active"
  else echo ActiveState=failed >"$STATE/$unit.active"; exit 1; fi;;
reload)
  if [ -e "$STATE/$unit.mute" ]; then :
  elif starts; then echo 'level=info msg="Reloaded configuration: {}"' >>"$STATE/$unit.journal"
  else echo 'level=error msg="unable to configure the Docker daemon with file a: twice"' \
      >>"$STATE/$unit.journal"; fi;;
is-active) cat "$STATE/$unit.state" 2>/dev/null || echo active;;
status) echo "status of $unit"; exit 3;;
esac
"""

JOURNALCTL = """\
#!/bin/sh
# Stands for journalctl: the lines in $STATE/UNIT.journal; a cursor is a number of lines.
lines=100 after=0 show=
while [ $# -gt 0 ]; do case $1 in
  --unit) unit=${2%.service}; shift;; --lines) lines=$2; shift;; --after-cursor) after=$2; shift;;
  --show-cursor) show=yes;; --output|--since) shift;; esac; shift; done
file=$STATE/$unit.journal
[ -e "$file" ] || exit 0
tail -n +"$((after + 1))" "$file" | tail -n "$lines"
[ -z "$show" ] || echo "-- cursor: $(wc -l <"$file")"
"""

YUM = """\
#!/bin/sh
# Stands for yum: "installs" NAME-VERSION into the file that the rpm below reads. It knows only the
# packages in $STATE/known, and does nothing for a downgrade to a newer version, like yum. With a
# package go the files that $STATE/owned.NAME lists.
echo "$*" >>"$STATE/log"
while :; do case $1 in -*) shift;; *) break;; esac; done
one() {
  if [ "$1" = remove ]; then
    grep -v "^$2 " "$STATE/installed" >"$STATE/new"
    mv "$STATE/new" "$STATE/installed"
    while IFS= read -r file; do rm -f "$file"; done <"$STATE/owned.$2"
    return 0
  fi
  while read -r name version; do
    case $2 in "$name"|"$name-$version"|"$name-${version%%-*}")
      grep -v "^$name " "$STATE/installed" >"$STATE/new"
      echo "$name $version" >>"$STATE/new"
      mv "$STATE/new" "$STATE/installed"; return 0;; esac
  done <"$STATE/known"
  echo "No package $2 available."; exit 1
}
touch "$STATE/installed"
if [ "$1" = shell ]; then
  while read -r verb rest; do for word in $rest; do one "$verb" "$word"; done; done
else
  verb=$1; shift; for word; do one "$verb" "$word"; done
fi
"""

RPM = """\
#!/bin/sh
# Stands for `rpm -q --qf FORMAT NAME…`; its exit code is the number of packages that are missing.
shift 3; missing=0
for name; do
  grep "^$name " "$STATE/installed" 2>/dev/null || {
    echo "package $name is not installed"; missing=$((missing + 1)); }
done
exit $missing
"""

USERS = {
    "id": '#!/bin/sh\n# Stands for `id -nG USER`.\ncat "$STATE/user.$2" 2>/dev/null'
    ' || { echo "id: $2: no such user" >&2; exit 1; }\n',
    "getent": '#!/bin/sh\n# Stands for `getent group NAME`.\ngrep "^$2$" "$STATE/groups"\n',
    "groupadd": '#!/bin/sh\n# Stands for `groupadd --system NAME`.\necho "$2" >>"$STATE/groups"\n',
    "usermod": "#!/bin/sh\n# Stands for `usermod -aG GROUP USER`, which wants the group to be"
    ' there.\ngrep -q "^$2$" "$STATE/groups" || exit 6\necho "$2" >>"$STATE/user.$3"\n',
}


@dataclass
class StandIns:
    """The stand-ins, and where they keep their state."""

    state: Path
    shell: LocalShell

    @property
    def log(self) -> list[str]:
        path = self.state / "log"
        return path.read_text().splitlines() if path.exists() else []

    def needs(self, unit: str, file: Path, text: str) -> None:
        """Let the unit start only while the file has this text."""
        (self.state / f"{unit}.needs").write_text(f"file={quote(str(file))} text={quote(text)}\n")

    def runs(self, unit: str) -> None:
        (self.state / f"{unit}.enabled").write_text("UnitFileState=enabled\n")
        (self.state / f"{unit}.active").write_text("ActiveState=active\n")

    def actions(self) -> list[str]:
        """Return the calls that changed something since the last call."""
        lines = [line for line in self.log if line.split()[0] in ("restart", "reload", "enable")]
        (self.state / "log").unlink(missing_ok=True)
        return lines
