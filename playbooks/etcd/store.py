"""The network store: which nodes keep it, and where. The playbook overlay imports this too."""

from labctl.playbook import LabSpec, shell_script

MOST_MEMBERS = 3
"""More members make the store slower and no safer for a class."""
CLIENT_PORT = 2379
PEER_PORT = 2380
"""Both ports are also written in store.sh."""
FUNCTIONS = shell_script(__file__, "store.sh")
"""Functions of sh that query and change the store."""


def members(lab: LabSpec) -> dict[str, str]:
    """Return the nodes that keep the store, with their addresses."""
    nodes = [(node.name, node.address) for node in lab.lab_nodes if node.address is not None]
    return dict(nodes[:MOST_MEMBERS])


def healthy(address: str) -> str:
    """Return sh that succeeds if the store has its majority, seen from the member at `address`."""
    return f"{FUNCTIONS}healthy {address} 10"
