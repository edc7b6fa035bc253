"""A setting of the running kernel."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.messages import msg
from labctl.provision.resources.atomic_write import replacing
from labctl.provision.resources.base import Change, Observed, quote

FILE = "/etc/sysctl.d/99-zz-labctl.conf"
"""Read after /etc/sysctl.d/99-sysctl.conf, which is /etc/sysctl.conf."""


@dataclass(frozen=True, slots=True)
class KernelSetting:
    """A setting that the kernel has now.

    If it has another value, labctl also writes it to a file of its own, which the next boot reads.
    A program that sets it by itself, as the engine does, needs no file.

    Parameters:
        name: as sysctl has it: ``net.ipv4.ip_forward``.
        value: the wanted value.
    """

    name: str
    value: str

    @property
    def id(self) -> str:
        return f"kernel:{self.name}"

    @property
    def _path(self) -> str:
        return "/proc/sys/" + self.name.replace(".", "/")

    def probe(self) -> str:
        return f"cat {quote(self._path)}"

    def plan(self, observed: Observed) -> Change | None:
        seen = observed.output.strip()
        if observed.ok and seen == self.value:
            return None
        text = f"# Written by labctl.\n{self.name} = {self.value}\n"
        script = f"( {replacing(FILE, text)}\n) || exit\necho {quote(self.value)} >{self._path}"
        return Change(
            msg("set {name} to {value}", name=self.name, value=self.value),
            script,
            f"-{self.name} = {seen}\n+{self.name} = {self.value}",
            limit=60,
        )
