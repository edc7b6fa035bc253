"""The names that a machine has to look up, before labctl does anything about it."""

from dataclasses import dataclass

from labctl.playbook import Findings, Observed, Obstacle, msg, shell_script


@dataclass(frozen=True, slots=True)
class Lookups:
    """Finds names that the node cannot look up.

    Parameters:
        names: of the hosts that labctl and the engine download from.
        pinned: those of them that labctl writes to /etc/hosts if necessary.
    """

    names: tuple[str, ...]
    pinned: tuple[str, ...]

    id = "preflight:names"
    what = msg("name lookup")
    at_first_contact = True

    def probe(self) -> str:
        return shell_script(__file__, "names.sh", names=" ".join(self.names))

    def examine(self, observed: Observed) -> Findings:
        servers: list[str] = []
        unknown: list[str] = []
        for line in observed.output.splitlines():
            word, _, name = line.partition(" ")
            if word == "nameserver":
                servers.append(name)
            elif word == "unknown":
                unknown.append(name)
        listed = ", ".join(servers) or msg("none")
        if not unknown:
            return Findings(passed=((self.what, msg("nameservers: {servers}", servers=listed)),))
        helps = set(unknown) <= set(self.pinned) and len(unknown) < len(self.names)
        return Findings(
            warnings=[
                Obstacle(
                    msg(
                        "it cannot look up {names}; nameservers: {servers}",
                        names=", ".join(sorted(unknown)),
                        servers=listed,
                    ),
                    msg("labctl pins them in /etc/hosts, if another nameserver knows them")
                    if helps
                    else msg("correct the nameserver lines of /etc/resolv.conf"),
                )
            ]
        )
