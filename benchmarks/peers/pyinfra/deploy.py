"""The work of labctl's playbooks, as one writes it for pyinfra: its own operations."""

import io
import json
import os
import sys
from pathlib import Path

from pyinfra import config
from pyinfra.operations import files, server, systemd, yum

sys.path.insert(0, str(Path(__file__).parent))
from blocks import put_blocks

config.SUDO = True

work = json.loads(Path(os.environ["BENCH_WORK"]).read_text("utf-8"))

for key in work["keys"]:
    if key["source"].startswith("file://"):
        # Its download supports only web URLs.
        server.shell(
            name=f"Copy {key['path']}",
            commands=[
                f"echo '{key['sha256']}  {key['path']}' | sha256sum --check --status 2>/dev/null"
                f" || install -m 0644 {key['source'].removeprefix('file://')} {key['path']}"
            ],
        )
    else:
        files.download(
            name=f"Download {key['path']}",
            src=key["source"],
            dest=key["path"],
            sha256sum=key["sha256"],
            mode="644",
        )

for file in work["files"]:
    files.put(
        name=f"Put {file['path']}",
        src=io.StringIO(file["content"]),
        dest=file["path"],
        user="root",
        group="root",
        mode=file["mode"].lstrip("0"),
    )

put_blocks(work["blocks"])

yum.packages(name="Packages", packages=work["nevrs"])

for service in work["services"]:
    systemd.service(name=f"Service {service}", service=service, running=True, enabled=True)

for member in work["members"]:
    server.user(
        name=f"GroupMember {member['user']}",
        user=member["user"],
        groups=[member["group"]],
        append=True,
        ensure_home=False,
    )

engine = files.put(
    name="daemon.json",
    src=io.StringIO(work["engine"]["content"]),
    dest=work["engine"]["path"],
    user="root",
    group="root",
    mode=work["engine"]["mode"].lstrip("0"),
)
systemd.service(
    name="Reload the engine", service="docker", reloaded=True, running=True, _if=engine.did_change
)

for download in work["downloads"]:
    files.download(
        name=f"Download {download['path']}",
        src=download["url"],
        dest=download["path"],
        sha256sum=download["sha256"],
        mode=download["mode"].lstrip("0"),
    )

for link in work["links"]:
    files.link(name=f"Link {link['path']}", path=link["path"], target=link["target"])
