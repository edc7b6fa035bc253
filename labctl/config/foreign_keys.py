"""Keys of other tools that people write into lab.yaml, and the key that labctl has for each.

Vagrant's and Ansible's words, docker-compose's, and those of courses' own scripts. Suggesting
labctl's most similar key does not help here: "ip" is not a mistyped "gui".
"""

from __future__ import annotations

import re

from labctl.messages import msg

_USE = msg("write {key} instead")

_EVERYWHERE: dict[str, str] = {
    "ports": "forwarded_ports",
    "port_forwards": "forwarded_ports",
    "forwarded_port": "forwarded_ports",
    "port_forwarding": "forwarded_ports",
    "ip": "address",
    "ip_address": "address",
    "private_ip": "address",
    "ipv4": "address",
    "ram": "memory",
    "mem": "memory",
    "memory_mb": "memory",
    "mem_limit": "memory",
    "cpu": "cpus",
    "vcpu": "cpus",
    "vcpus": "cpus",
    "cores": "cpus",
    "disk_size": "disk",
    "disksize": "disk",
    "storage": "disk",
    "playbook": "playbooks",
    "roles": "playbooks",
    "synced_folder": "synced_folders",
    "shared_folders": "synced_folders",
    "folders": "synced_folders",
    "volumes": "synced_folders",
    "mounts": "synced_folders",
    "image": "box",
    "os": "box",
    "vm_box": "box",
    "box_name": "box",
    "base_box": "box",
    "vms": "nodes",
    "vm": "nodes",
    "hosts": "nodes",
    "servers": "nodes",
    "services": "nodes",
    "instances": "nodes",
    "guests": "nodes",
    "boxes": "nodes",
    "count": "nodes",
    "num_nodes": "nodes",
    "node_count": "nodes",
    "subnet": "network",
    "cidr": "network",
    "private_network": "network",
    "public_network": "networks",
    "bridge": "networks",
    "headless": "gui",
    "nested_virtualization": "nested",
    "customize": "provider_options",
    "virtualbox": "provider_options",
    "libvirt": "provider_options",
    "shell": "provision",
    "scripts": "provision",
    "script": "provision",
    "provisioner": "provision",
    "provisioners": "provision",
    "registry_mirrors": "docker.mirrors",
    "registry-mirrors": "docker.mirrors",
    "mirrors": "docker.mirrors",
    "insecure_registries": "docker.insecure_registries",
    "insecure-registries": "docker.insecure_registries",
    "docker_users": "docker.users",
    "docker_version": "toolchain",
    "compose_version": "toolchain",
    "prefix": "node_prefix",
    "hypervisor": "provider",
    "timeout": "boot_timeout",
    "inventory": "machines",
    "plugins": "vagrantfile",
}
"""By the key without letter case and with '_' for '-'; a value with a dot is a key in a mapping."""

_AT: dict[str, dict[str, str]] = {
    "nodes": {"hostname": "name", "host": "name", "vm_name": "name", "container_name": "name"},
    "machines": {
        "hostname": "host",
        "ip": "host",
        "address": "host",
        "ip_address": "host",
        "ansible_host": "host",
        "ansible_port": "port",
        "ansible_user": "user",
        "ansible_ssh_private_key_file": "key",
        "username": "user",
        "login": "user",
        "ssh_port": "port",
        "ssh_key": "key",
        "identity_file": "key",
        "identityfile": "key",
        "private_key": "key",
        "proxy_jump": "jump",
        "proxyjump": "jump",
        "bastion": "jump",
    },
    "synced_folders": {
        "source": "host",
        "src": "host",
        "from": "host",
        "map": "host",
        "path": "host",
        "target": "guest",
        "dest": "guest",
        "destination": "guest",
        "to": "guest",
    },
    "forwarded_ports": {
        "target": "guest",
        "published": "host",
        "ip": "host_ip",
        "proto": "protocol",
        "host_port": "host",
        "guest_port": "guest",
    },
    "networks": {"ip": "address", "subnet": "network", "cidr": "network", "dev": "bridge"},
    "provision": {"path": "file", "script": "file", "command": "inline", "shell": "inline"},
    "docker": {"version": "toolchain", "compose": "toolchain"},
    "box": {"box": "name", "box_version": "version", "checksum": "sha256", "box_url": "url"},
}
"""The same in one mapping of lab.yaml."""

_REASONS: dict[str, str] = {
    "version": msg("lab.yaml has no version; leave it out"),
    "hostname": msg("list the nodes with their names: nodes: [{name: manager}]"),
    "become": msg("labctl always becomes root: remove it, and pass -K if sudo needs a password"),
    "password": msg("labctl stores no passwords; use a key, or pass -k to be asked"),
    "ansible_password": msg("labctl stores no passwords; use a key, or pass -k to be asked"),
    "ansible": msg("labctl does not run Ansible; see the page 'Write a playbook'"),
    "tasks": msg("put tasks into playbooks/NAME/play.py; see the page 'Write a playbook'"),
    "config": msg("remove it, and put its keys at the top level of lab.yaml"),
    "lab": msg("remove it, and put its keys at the top level of lab.yaml"),
    "vagrant": msg("remove it, and put its keys at the top level of lab.yaml"),
}


def hint(path: tuple[str | int, ...], known: tuple[str, ...]) -> str:
    """Return what to write instead of another tool's key; empty if it is none.

    Parameters:
        path: the place of the unknown key.
        known: the keys that are allowed there.
    """
    key = re.sub(r"[- ]", "_", str(path[-1]).lower())
    section = next((part for part in reversed(path[:-1]) if isinstance(part, str)), "")
    if path[:2] == ("docker", "daemon"):  # Docker's own keys
        return ""
    meant = _AT.get(section, {}).get(key) or _EVERYWHERE.get(key, "")
    if meant in known or ("." in meant and meant.partition(".")[0] in known):
        return msg(_USE, key=meant)
    if meant and section in ("nodes", "docker"):
        return msg("write {key} at the top of lab.yaml instead", key=meant)
    return _REASONS.get(key, "") if section in ("", "nodes", "machines") else ""
