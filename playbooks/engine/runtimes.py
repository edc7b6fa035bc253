"""The name under which CentOS's own docker started its containers.

Each container keeps the name of its runtime. The packages of CentOS call theirs docker-runc, and
docker-ce does not know that name, so it could not start the containers that it took over.
"""

from typing import Any

from labctl.playbook import Observed

OF_CENTOS = "docker-runc"


def keys(seen: Observed) -> dict[str, Any]:
    """Return the keys of daemon.json that let old containers start; none if there are none.

    Parameters:
        seen: what runtimes.sh printed.
    """
    names = {line.partition(" ")[2] for line in seen.output.splitlines() if line[:8] == "runtime "}
    return {"runtimes": {OF_CENTOS: {"path": "/usr/bin/runc"}}} if OF_CENTOS in names else {}
