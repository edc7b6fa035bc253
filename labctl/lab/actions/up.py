"""Bring the lab up, provision it and verify it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from labctl.errors import LabctlError, UsageError
from labctl.events import Notice
from labctl.lab import copies, machine_settings, proxy
from labctl.lab.actions.node_run import NodeRun, ProvisionOptions, chosen, failing, work_on
from labctl.lab.boot import BootQueue, prepare
from labctl.lab.expectations import Verifier
from labctl.lab.lab import Lab
from labctl.messages import msg
from labctl.parallel import Result, each
from labctl.provision.scheduler import Scheduler

BOOT_PATIENCE = 60.0
"""Seconds until the sshd of a machine that its provider reports as up must answer."""


def up(
    lab: Lab,
    limit: Iterable[str],
    options: ProvisionOptions,
    remember: Mapping[str, object] | None = None,
) -> list[Result[NodeRun]]:
    """Bring the lab up, provision it and verify it; each node proceeds as soon as it answers.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.
        options: how to provision.
        remember: flags to save for later runs.

    Returns:
        A result for each node, in the lab's order.

    Raises:
        LabctlError: a problem of the whole lab; no machine was touched.
    """
    check_install_key(lab, options)
    nodes = lab.select(limit)
    playbooks = lab.playbooks(options.extra)
    running = [book.name for book in chosen(playbooks, options.only)]
    scheduler = Scheduler(nodes, lab.parallel, lab.stop, running)
    machines = lab.machines()  # without Vagrant or a provider, no state folder is left behind
    with lab.state.locked("up"):
        proxy.announce(lab)
        copies.remove_left(lab)
        _add_boxes(lab)
        states = prepare(lab, machines)
        for notice in machine_settings.notices(lab, nodes, states):
            lab.emit(notice)
        for notice in machine_settings.addresses_in_use(lab, nodes, states):
            lab.emit(notice)
        if remember:
            lab.state.save_flags({**lab.state.flags(), **remember})
        bring = BootQueue(lab, machines, nodes, states)
        with lab.supply, Verifier(lab, len(nodes) if options.verify else 0) as verifier:

            def work(node: str) -> NodeRun:
                with failing(lab, node), scheduler.slot(node):
                    if options.install_key:
                        _install_key(lab, node)
                    bring.up(node)
                    return work_on(
                        lab, node, playbooks, options, verifier, scheduler, BOOT_PATIENCE
                    )

            return each(nodes, work, cap=len(nodes), stop=lab.stop)


def _add_boxes(lab: Lab) -> None:
    """Give Vagrant the boxes of the lab's kit that it lacks."""
    if lab.kit is None or not lab.uses_vagrant:
        return
    from labctl.kit import boxes

    for box in lab.kit.manifest.boxes:
        if box.provider == lab.provider:
            boxes.add(lab.kit, box, lab.workspace.state)


def check_install_key(lab: Lab, options: ProvisionOptions) -> None:
    """Check that the machines can need the user's key.

    Raises:
        UsageError: Vagrant gives them one.
    """
    if options.install_key and lab.uses_vagrant:
        raise UsageError(
            "--install-key is for the machines under `machines:` in lab.yaml",
            hint="Vagrant gives its machines a key; leave the option out",
        )


def _install_key(lab: Lab, node: str) -> None:
    """Let a machine accept the user's key."""
    from labctl.remote.install_key import install_key  # loads Fabric

    fingerprint = install_key(lab.target(node), lab.hostkeys, lab.passwords)
    if fingerprint:
        text = msg(
            "installed your key {fingerprint}; no password is needed now", fingerprint=fingerprint
        )
        lab.emit(Notice(node, text))


def boot(
    lab: Lab,
    limit: Iterable[str],
    on_failure: Callable[[], None] = lambda: None,
    *,
    install_key: bool = False,
) -> list[Result[None]]:
    """Bring machines up, without provisioning.

    Parameters:
        lab: the lab.
        limit: names or patterns of nodes; none: all.
        on_failure: called when a machine did not come up.
        install_key: let existing machines accept the user's key.

    Raises:
        LabctlError: a problem of the whole lab; no machine was touched.
    """
    nodes = lab.select(limit)
    with lab.state.locked("up"):
        machines = lab.machines()
        states = prepare(lab, machines)
        for notice in machine_settings.notices(lab, nodes, states):
            lab.emit(notice)
        bring = BootQueue(lab, machines, nodes, states)

        def work(node: str) -> None:
            try:
                with failing(lab, node):
                    if install_key:
                        _install_key(lab, node)
                    bring.up(node)
            except LabctlError:
                on_failure()
                raise

        return each(nodes, work, cap=len(nodes), stop=lab.stop)
