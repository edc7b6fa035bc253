"""What an engine needs of a machine, before it first starts."""

from dataclasses import dataclass

from labctl.playbook import Findings, Observed, Obstacle, msg, shell_script

from . import networks


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Looks at the networks that docker would take, and at forwarding.

    Parameters:
        addresses: those of the lab's nodes.
        chosen: whether lab.yaml chooses docker's networks.
    """

    addresses: tuple[str, ...]
    chosen: bool

    id = "preflight:networks"
    what = msg("docker's networks")
    at_first_contact = True

    def probe(self) -> str:
        return shell_script(__file__, "networks.sh", "forwarding.sh")

    def examine(self, observed: Observed) -> Findings:
        keys = {} if self.chosen else networks.keys(observed, self.addresses)
        if keys:
            found = ", ".join(f"{key}={value}" for key, value in keys.items())
            state = msg("docker's own are in use here; labctl sets {keys}", keys=found)
        elif self.chosen:
            state = msg("as lab.yaml sets them")
        else:
            state = msg("free")
        passed = [(self.what, state)]
        if "forwarding off" not in observed.output.splitlines():
            return Findings(passed=passed)
        return Findings(
            warnings=[
                Obstacle(
                    msg("net.ipv4.ip_forward is 0, so containers reach no other host"),
                    msg("`sudo sysctl -w net.ipv4.ip_forward=1`, or let labctl set it"),
                    msg("forwarding"),
                )
            ],
            passed=passed,
        )
