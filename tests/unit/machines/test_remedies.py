"""The errors of the installed Vagrant and of vagrant-libvirt: each has a remedy, or needs none."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from labctl.machines import providers
from labctl.machines.remedies import REMEDIES, remedy

GEMS = Path("/usr/share/rubygems-integration/all/gems")
OTHER_GEMS = (Path("/opt/vagrant/embedded/gems"), Path("/usr/lib"))

NEED_NONE = {
    "labctl never calls this command": (
        *("box_add_exists", "box_add_name_required", "box_remove_*", "box_update_*", "cli_*"),
        *("cloud_init_*", "command_*", "destroy_requires_force", "dotfile_*", "package_*"),
        *("plugin_install_license_not_found", "plugin_no_local_error", "push*", "snapshot_force"),
        *("triggers_*", "ui_expects_tty", "upload*", "uploader_*", "vagrantfile_exists"),
        *("multi_vm_target_required", "no_env", "vm_creation_required", "vm_not_*", "vm_no_match"),
        *("machine_not_found", "linux_rdp_client_not_found", "iso_build_failed", "create_iso_*"),
        *("powershell_*", "winrm_*", "provisioner_*", "cfengine_*", "clone_*", "alias_*"),
    ),
    "labctl's Vagrantfile never asks for it": (
        *("box_config_changing_box", "capability_*", "communicator_not_found", "config_upgrade_*"),
        *("guest_*", "host_explicit_*", "netplan_*", "network_type_*", "network_manager_*"),
        *("ssh_insert_key_unsupported", "ssh_invalid_shell", "virtualbox_disks_*"),
        *("snapshot_not_supported", "duplicate_disk_device", "no_disk_*", "wrong_disk_format"),
        *("tunnel_port_*", "management_network_required", "serial_*", "interface_slot_exhausted"),
        *("call_chain_error", "package_not_supported", "box_format_duplicate_volume"),
        *("box_file_not_exist", "cant_read_mac_addresses"),
    ),
    "another operating system": ("darwin_*", "freebsd_*", "wsl_*", "env_inval"),
    "it carries another error, or says all itself": (
        *("batch_multi_error", "interrupted", "vagrant_remote_error", "test_key"),
        *("environment_non_existent_cwd", "machine_state_invalid", "provider_install_failed"),
        *("plugin_state_file_not_parsable",),
    ),
}
"""Why labctl has no remedy: patterns of the errors' names in the locale files."""


def locales() -> Iterator[tuple[str, Path]]:
    """Yield (provider, locale file) of the programs that are installed."""
    for place in (GEMS, *OTHER_GEMS):
        if place.is_dir():
            for path in sorted(place.glob("**/vagrant-[0-9]*/templates/locales/en.yml")):
                yield "virtualbox", path
            for path in sorted(place.glob("**/vagrant-libvirt-*/locales/en.yml")):
                yield "libvirt", path


def errors(path: Path) -> dict[str, str]:
    """Return the texts of errors in a locale file, by name."""
    data: Any = YAML(typ="safe").load(path)
    (found,) = (part["errors"] for part in data["en"].values() if "errors" in part)
    return {name: str(text) for name, text in found.items()}


@pytest.mark.needs("vagrant")
def test_each_error_has_a_remedy_or_needs_none() -> None:
    files = list(locales())
    assert files, "Vagrant is installed, but not its locale file"
    patterns = [pattern for group in NEED_NONE.values() for pattern in group]
    lacking = {
        name: " ".join(text.split())[:120]
        for provider, path in files
        for name, text in errors(path).items()
        if not remedy(text, providers.get(provider))
        and not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
    }
    assert lacking == {}


@pytest.mark.needs("vagrant")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("boot_timeout", "boot_timeout"),
        ("box_add_direct_version", "box.version"),
        ("box_not_found", "check 'box'"),
        ("box_checksum_mismatch", "sha256"),
        ("hyperv_virtualbox_error", "another hypervisor"),
        ("vm_name_exists", "change `name`"),
        ("virtualbox_name_exists", "change `name`"),
        ("virtualbox_user_mismatch", "as the user who"),
        ("virtualbox_kernel_module_not_loaded", "reinstall VirtualBox"),
        ("virtualbox_invalid_host_subnet", "192.168.56.0/21"),
        ("virtualbox_mount_failed", "type rsync"),
        ("plugin_load_error", "vagrant plugin repair"),
        ("machine_locked", "other Vagrant process"),
        ("nfs_not_supported", "type rsync"),
        ("rsync_not_found", "install rsync"),
        ("downloader_error", "run the same command again"),
        ("ssh_authentication_failed", "labctl heal NODE"),
        ("no_storage_pool", "virsh pool-define-as"),
        ("domain_name_exists", "change `name`"),
        ("fog_libvirt_connection_error", "group libvirt"),
        ("activate_network_error", "another `network`"),
    ],
)
def test_the_remedy_is_the_right_one(name: str, words: str) -> None:
    found = [
        remedy(texts[name], providers.get(provider))
        for provider, texts in ((provider, errors(path)) for provider, path in locales())
        if name in texts
    ]
    if not found:
        pytest.skip("the installed Vagrant has no such error, or the plugin is not installed")
    assert all(words in text for text in found), found


def test_a_remedy_is_found_in_a_text_of_several_lines() -> None:
    text = "The VirtualBox VM was created with a user that\n  doesn't match the\ncurrent user"
    assert "as the user who" in remedy(text, providers.get("virtualbox"))


def test_every_remedy_has_its_own_words() -> None:
    assert all(one.text and not one.text.endswith(".") for one in REMEDIES)
