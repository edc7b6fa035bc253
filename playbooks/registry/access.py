"""How the nodes reach the registry. Other playbooks import this too."""

from labctl.playbook import Credential, Endpoint, LabSpec, SecretStore

from .settings import Settings


def endpoint(lab: LabSpec) -> Endpoint:
    """Return the node that runs the registry, and its port."""
    registry = lab.settings(Settings).registry
    return Endpoint(registry.node or lab.node_names[0], registry.port)


def credential(lab: LabSpec, secrets: SecretStore) -> Credential:
    """Return the login of the registry. `labctl status` shows it."""
    registry = lab.settings(Settings).registry
    return secrets.credential(
        "registry", registry.user, registry.password, address=endpoint(lab).address
    )
