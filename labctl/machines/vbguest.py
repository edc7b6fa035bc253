"""Where vagrant-vbguest finds packages on a CentOS 7 whose mirrors are gone.

The plugin installs kernel-devel with yum before labctl has provisioned anything. So the Vagrantfile
first writes the vault's addresses; later the playbook `repos` rewrites the same file.
"""

from __future__ import annotations

import shlex

from labctl.config.sections import VaultSource


def commands(vault: VaultSource) -> list[str]:
    """Return shell commands that point yum at the vault, on CentOS 7 only."""
    lines: list[str] = []
    for name, folder in (("base", "os"), ("updates", "updates"), ("extras", "extras")):
        lines += [
            f"[{name}]",
            f"name=CentOS-7 - {name}",
            f"baseurl={vault.baseurl.rstrip('/')}/{folder}/$basearch/",
            "gpgcheck=1",
            f"gpgkey={vault.key}",
        ]
    text = " ".join(map(shlex.quote, lines))
    return [
        "! grep -qs 'release 7' /etc/centos-release || "
        f"printf '%s\\n' {text} >/etc/yum.repos.d/CentOS-Base.repo"
    ]
