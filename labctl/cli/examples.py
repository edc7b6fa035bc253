"""Examples for the help of each command: (command line, what it does)."""

from __future__ import annotations

from labctl.messages import msg

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "init": (("labctl init", msg("write lab.yaml into this folder")),),
    "up": (
        ("labctl up --nodes 2", msg("two nodes with Docker, checked")),
        ("labctl up --limit docker-node2", msg("only this node")),
        ("labctl up --kit /media/stick/kit", msg("without a network")),
    ),
    "provision": (
        ("labctl provision", msg("repair drift on all nodes")),
        ("labctl provision --check", msg("only show what would change")),
        ("labctl provision --with registry", msg("also set up the private registry")),
    ),
    "verify": (
        ("labctl verify", msg("check all nodes")),
        ("labctl verify --fix", msg("repair failures and check again")),
    ),
    "rehearse": (
        ("labctl rehearse", msg("the whole course on all nodes")),
        ("labctl rehearse network volumes", msg("two sections")),
        ("labctl rehearse --list", msg("the sections and how long they take")),
    ),
    "status": (("labctl status", msg("all nodes of this lab")),),
    "heal": (
        ("labctl heal docker-node2", msg("start, provision and check the node")),
        ("labctl heal docker-node2 --rebuild", msg("recreate it if nothing else helps")),
    ),
    "plan": (
        ("labctl plan", msg("hosts of all students, and what is missing")),
        ("labctl plan --without hv2", msg("if this host is lost")),
    ),
    "move": (("labctl move anna --to hv2", msg("after confirmation")),),
    "halt": (("labctl halt", msg("shut all nodes down")),),
    "reload": (("labctl reload docker-node1", msg("restart one node")),),
    "suspend": (("labctl suspend", msg("at the end of a day")),),
    "resume": (("labctl resume", msg("on the next morning")),),
    "checkpoint": (
        ("labctl checkpoint save chapter5", msg("save all nodes")),
        ("labctl checkpoint restore chapter5", msg("restore that state")),
    ),
    "checkpoint save": (("labctl checkpoint save chapter5", msg("save all nodes")),),
    "checkpoint list": (("labctl checkpoint list", msg("the checkpoints of all nodes")),),
    "checkpoint restore": (
        ("labctl checkpoint restore chapter5", msg("all nodes, after confirmation")),
        ("labctl checkpoint restore chapter5 --limit docker-node2 --yes", msg("one node")),
    ),
    "checkpoint export": (("labctl checkpoint export chapter5 chapter5.tar", msg("all nodes")),),
    "checkpoint import": (
        ("labctl checkpoint import chapter5.tar", msg("a box for each node in it")),
    ),
    "checkpoint delete": (("labctl checkpoint delete chapter5", msg("on all nodes")),),
    "kit": (
        ("labctl kit make /media/stick/kit", msg("everything that this lab needs")),
        ("labctl kit verify /media/stick/kit", msg("compare every file, and print the digest")),
    ),
    "kit make": (
        ("labctl kit make /media/stick/kit", msg("everything that this lab needs")),
        (
            "labctl kit make kit --system windows --python 3.13",
            msg("labctl for these computers only"),
        ),
        ("labctl kit make kit --add VirtualBox.exe", msg("and an installer")),
    ),
    "kit verify": (("labctl kit verify kit", msg("compare every file, and print the digest")),),
    "kit serve": (
        ("labctl kit serve", msg("to the nodes of this lab, until Ctrl-C")),
        ("labctl kit serve kit", msg("to the room, until Ctrl-C")),
    ),
    "kit fetch": (
        (
            "labctl kit fetch https://teacher:5443 kit --digest 3f9a…",
            msg("copy it from the instructor's computer"),
        ),
    ),
    "bake": (
        ("labctl bake", msg("a box of the first node")),
        ("labctl bake docker-node2 --as docker-course", msg("of another node, with a name")),
    ),
    "destroy": (
        ("labctl destroy", msg("remove all nodes, after confirmation")),
        ("labctl destroy docker-node2 --yes", msg("remove one node")),
    ),
    "ssh": (
        ("labctl ssh docker-node1", msg("a shell on the node")),
        ("labctl ssh docker-node1 -- docker ps -a", msg("one command")),
        ("labctl ssh docker-node1 'docker ps | wc -l'", msg("a line for the node's shell")),
    ),
    "exec": (
        ("labctl exec -- docker ps -a", msg("on all nodes")),
        (
            "labctl exec --limit 'docker-node[12]' 'docker ps | wc -l'",
            msg("a line for the shells of two nodes"),
        ),
    ),
    "scp": (
        ("labctl scp ../labs docker-node1:/home/chapter5", msg("to a node")),
        ("labctl scp docker-node1:/etc/hosts .", msg("from a node")),
        ("labctl scp labs/. all:/home/chapter5", msg("to all nodes")),
    ),
    "sync": (("labctl sync --watch", msg("until Ctrl-C")),),
    "ssh-config": (("labctl ssh-config >>~/.ssh/config", msg("for plain ssh and editors")),),
    "logs": (
        ("labctl logs", msg("the last run")),
        ("labctl logs provision", msg("the last run of this command")),
        ("labctl logs docker-node2 verify", msg("one node, with the complete output")),
        ("labctl logs --follow", msg("continue to print new lines")),
    ),
    "open": (
        ("labctl open", msg("the report of the last complete rehearsal")),
        ("labctl open --partial", msg("the report of the last partial rehearsal")),
    ),
    "list": (
        ("labctl list", msg("all labs of this computer")),
        ("labctl list --prune", msg("remove labs whose folders are gone from the list")),
    ),
    "render": (
        ("labctl render", msg("print the Vagrantfile")),
        ("labctl render --diff", msg("show how `labctl up` would change it")),
    ),
    "doctor": (
        ("labctl doctor", msg("check this computer for the lab in this folder")),
        ("labctl doctor --offline", msg("without the network")),
        ("labctl doctor pc1 pc2", msg("check two machines, and change nothing on them")),
        ("labctl doctor all", msg("check all machines")),
    ),
    "trust": (("labctl trust", msg("after you moved the lab's folder")),),
    "schema": (
        ("labctl schema >lab.schema.json", msg("for an editor")),
        ("labctl schema --events", msg("for programs that read --json")),
    ),
    "version": (("labctl version", msg("print the version")),),
    "help": (("labctl help up", msg("the same as `labctl up --help`")),),
}
"""By the words of the command."""
