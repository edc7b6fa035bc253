"""What helps against errors that Vagrant and its providers print.

The patterns are looked for in the text with single blanks, because Vagrant breaks its lines
anywhere.
"""

from __future__ import annotations

import re

from labctl.machines.base import Provider, Remedy

REMEDIES = (
    # -- resources, which are behind many other errors
    Remedy(r"No space left on device|disk (space|full)", "free disk space on this computer"),
    Remedy(
        r"Cannot allocate memory|VERR_NO_MEMORY|[Nn]ot enough memory|[Oo]ut of memory",
        "give the nodes less memory, or close other programs",
    ),
    # -- this computer's virtualization
    Remedy(
        r"VT-x is (not available|disabled)|VERR_VMX_NO_VMX|AMD-V is (not available|disabled)"
        r"|VERR_SVM_(NO|DISABLED)|KVM acceleration not available|[Cc]ould not access KVM",
        "turn on virtualization (VT-x, AMD-V) in the BIOS",
    ),
    Remedy(
        r"VERR_VMX|VERR_SVM|vmx_|Hyper-V and VirtualBox|another hypervisor",
        "another hypervisor uses the processor's virtualization; turn it off",
    ),
    # -- boots and logins
    Remedy(
        r"[Tt]imed out while (waiting for the machine|attempting to connect via SSH)"
        r"|guest machine entered an invalid state|machine that is not ready|not yet ready for SSH"
        r"|No IP address found|guest operating system of the machine could not be detected",
        "raise boot_timeout in lab.yaml, or see the log",
    ),
    Remedy(r"PuTTY|`ssh` (binary|executable)", "install the OpenSSH client on this computer"),
    Remedy(
        r"\bSSH\b[^.]{0,80}(authentication failed|refused|aborted|reset|no route|host is down"
        r"|unexpectedly|channel|denied|exit status)|private key|underlying SSH library"
        r"|via SCP|support SCP",
        "`labctl heal NODE` repairs the node",
    ),
    # -- VirtualBox
    Remedy(
        r"unable to mount VirtualBox shared folders",
        "use type rsync for the synced folder in lab.yaml",
    ),
    Remedy(
        r"not in the allowed ranges|outside the allowed|networks\.conf|allowed ranges",
        "choose a network inside 192.168.56.0/21, or allow yours in /etc/vbox/networks.conf",
    ),
    Remedy(
        r"user that doesn't match the current user|created by a different user",
        "run labctl as the user who created the machines",
    ),
    Remedy(
        r"VirtualBox machine with the name|virtual machine couldn't be set"
        r"|of domain about to create is already taken|Volume for domain is already created"
        r"|[Mm]achine [^.]{0,60}already exists|domain [^.]{0,60}already exists",
        "another lab, perhaps of another user, has a machine of this name; change `name` in "
        "lab.yaml, or remove that machine",
    ),
    Remedy(
        r"kernel module|vboxdrv|VBoxNetAdp|\"VBoxManage\" command or one of its dependencies"
        r"|VirtualBox is complaining|not detect VirtualBox|VirtualBox 4\.2\.14"
        r"|appears installed|version of VirtualBox installed|running VBoxManage",
        "reinstall VirtualBox and restart this computer",
    ),
    Remedy(
        r"\"inaccessible\.?\"|configuration file for the requested VirtualBox|guest property"
        r"|recommended name for your VirtualBox|determine the machine folder",
        "remove the broken machine in VirtualBox, then run `labctl up` again",
    ),
    # -- libvirt
    Remedy(
        r"polkit|authentication unavailable|libvirt-sock"
        r"|(connect|connecting|talking) to [Ll]ibvirt",
        "start libvirtd, and add this user to the group libvirt; log in again afterwards",
    ),
    Remedy(
        r"storage pool|[Pp]ool not found",
        "create a pool: `virsh pool-define-as default dir --target /var/lib/libvirt/images`, "
        "then `virsh pool-start default`",
    ),
    Remedy(
        r"(creating|activating|removing|autostart on)( new)? network|Network \S+ (is not available"
        r"|exists but)|not match with network name|management network|host-only network to be"
        r"|[Nn]etwork ('[^']*' )?is already (in use|used)|slots on the VirtualBox VM",
        "choose another `network` in lab.yaml, or remove the old one: `virsh net-list --all`",
    ),
    Remedy(
        r"Failed to start domain|Error while (creating (domain|volume)|attaching|detaching)"
        r"|No domain found|Volume for domain is missing|No matching volume",
        "see `journalctl -u libvirtd`; then recreate the node: `labctl heal NODE --rebuild`",
    ),
    # -- boxes
    Remedy(
        r"[Cc]ould(n't| not) resolve (host|proxy)",
        "the box cannot be downloaded; check this computer's DNS",
    ),
    Remedy(
        r"box version constraint with a direct box",
        "leave box.version out of lab.yaml; a box file has none",
    ),
    Remedy(
        r"SSL|TLS|certificate (verify|problem|has expired)|curl: \((35|51|60|77)\)|self.signed",
        "the server's certificate is not accepted; check this computer's clock, or set box.url to "
        "another mirror",
    ),
    Remedy(r"[Cc]hecksum", "the downloaded box is not the expected one; check 'box: sha256'"),
    Remedy(
        r"curl: \((6|7|18|22|28|52|55|56)\)|error (occurred )?while downloading"
        r"|download was interrupted|Failed to (connect|download)|Connection timed out",
        "the box cannot be downloaded; run the same command again, or set box.url in lab.yaml",
    ),
    Remedy(
        r"[Bb]ox\b[^.]{0,100}(could(n't| not) be (found|accessed)|not found|does(n't| not) (exist"
        r"|support|match)|isn't installed|no available version|different from|corrupt|malformed"
        r"|missing|formatted|incorrect|mismatch)"
        r"|box (image|metadata)|(format|size) (provided |specified )?[^.]{0,20}box"
        r"|Vagrant Cloud server is not set",
        "check 'box' in lab.yaml, or add the box by hand: `vagrant box add`",
    ),
    # -- folders
    Remedy(
        r"\brsync\b",
        "install rsync on this computer, or check the synced folder's `host` and `guest`",
    ),
    Remedy(
        r"\bNFS\b|/etc/exports|nfsd|same nfs host path",
        "use type rsync for the synced folder; `labctl doctor` shows what NFS lacks",
    ),
    Remedy(
        r"[Mm]ount|synced folder|shared folder|Guest Additions|vboxsf",
        "use type rsync for the synced folder in lab.yaml",
    ),
    # -- Vagrant itself
    Remedy(
        r"[Pp]lugins?\b[^.]{0,100}(not|fail|unable|error|conflict|depend|missing)|Bundler|bundler"
        r"|resolve required dependencies|missing plugins|internal library dependencies",
        "run `vagrant plugin repair`, or `vagrant plugin expunge --reinstall`",
    ),
    Remedy(
        r"it is locked|another process is already executing|held by another instance",
        "wait until the other Vagrant process has ended",
    ),
    Remedy(
        r"newer version of Vagrant|requires the Vagrant version",
        "install the newest version of Vagrant",
    ),
    Remedy(
        r"home directory|data directory|machine index|local environment-specific state"
        r"|does not have permission to read|proper permissions to write",
        "give this user write access to ~/.vagrant.d and to the lab's .labctl",
    ),
    Remedy(
        r"error loading a Vagrantfile|syntax error in the following Vagrantfile"
        r"|Vagrantfile template|errors in the configuration of this machine|invalid IP address",
        "check templates/Vagrantfile.j2 of the lab; `labctl render` shows the result",
    ),
    Remedy(
        r"[Nn]o usable default provider|provider '[^']*'[^.]{0,80}(could|not|doesn't|report)"
        r"|different provider",
        "`labctl doctor` shows what the provider lacks",
    ),
    Remedy(
        r"[Ss]napshots?\b[^.]{0,60}(not|cannot|error)|(deleting|list|create|revert) snapshot",
        "`labctl checkpoint list` shows the checkpoints; delete a broken one",
    ),
    Remedy(
        r"forwarded port[^.]{0,60}(already|to \d|not found)|already in use|Address already",
        "another program uses a port; see `vagrant global-status`",
    ),
    Remedy(
        r"[Pp]ermission denied|[Aa]ccess denied|not permitted",
        "check that this user may use the provider; see the log",
    ),
    Remedy(
        r"error while executing `VBoxManage`",
        "run the same command again; if it fails again, restart this computer",
    ),
)
"""In the order in which they are tried: the more specific before the more general."""


def remedy(text: str, provider: Provider) -> str:
    """Return a remedy for an error of Vagrant; empty if none is known.

    Parameters:
        text: what Vagrant printed.
        provider: of the lab; its own remedies come first.
    """
    plain = " ".join(text.split())
    for known in (*provider.remedies, *REMEDIES):
        if re.search(known.pattern, plain):
            return known.text
    return ""
