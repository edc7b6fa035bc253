"""The repositories that a machine has, before labctl adds its own."""

from dataclasses import dataclass

from labctl.playbook import OWN, Facts, Findings, Observed, Obstacle, msg, shell_script

STOCK = {"base": "CentOS-Base", "updates": "CentOS-Base", "extras": "CentOS-Base"}
"""Repositories of CentOS, and the files in which labctl replaces them."""
_WHY = {
    "6": msg("its name is unknown"),
    "7": msg("it refuses connections"),
    "22": msg("it has no such folder"),
    "28": msg("it takes too long"),
    "60": msg("its certificate is not trusted"),
}


@dataclass(frozen=True, slots=True)
class Repositories:
    """Finds repositories that are dead or defined twice, and another distribution.

    They do not stop labctl, which installs from its own repositories. They stop the yum of whoever
    works on the machine.

    Parameters:
        facts: of the machine.
    """

    facts: Facts

    id = "preflight:repositories"
    what = msg("repositories")
    at_first_contact = True

    def probe(self) -> str:
        return shell_script(__file__, "repositories.sh", own=OWN)

    def examine(self, observed: Observed) -> Findings:
        places: dict[str, list[tuple[str, str]]] = {}
        dead: dict[str, tuple[str, str]] = {}
        for line in observed.output.splitlines():
            match line.split(" "):
                case ["section", name, file, switch]:
                    places.setdefault(name, []).append((file, switch))
                case ["dead", name, code, url]:
                    dead[name] = code, url
        warnings = [
            self._dead(name, *places[name][-1], *found)
            for name, found in sorted(dead.items())
            if name in places and not self._is_replaced(name, places[name])
        ]
        files = [place for found in places.values() for place, _ in found]
        warnings += [
            _twice(name, [place for place, _ in found], files)
            for name, found in sorted(places.items())
            if len(found) > 1
        ]
        replaced = sorted(name for name in dead if self._is_replaced(name, places.get(name, [])))
        passed = [(self.what, msg("{count} defined", count=len(places)))] if not warnings else []
        if replaced:
            state = msg(
                "{names} of CentOS no longer answer; labctl replaces them",
                names=", ".join(replaced),
            )
            passed.append((self.what, state))
        return Findings(self.unsupported(), warnings, passed=passed)

    def unsupported(self) -> list[Obstacle]:
        """Return the obstacle that this is not CentOS 7, if it is not."""
        facts = self.facts
        if (facts.distribution, facts.major) == ("centos", "7"):
            return []
        system = f"{facts.distribution or msg('an unknown system')} {facts.version}".rstrip()
        return [
            Obstacle(
                msg("labctl installs Docker on CentOS 7 only; this is {system}", system=system),
                msg("remove the machine from lab.yaml, or install CentOS 7 on it"),
                msg("distribution"),
            )
        ]

    def _is_replaced(self, name: str, places: list[tuple[str, str]]) -> bool:
        """Return whether labctl writes the only file that defines this repository."""
        names = [place.rpartition("/")[2] for place, _ in places]
        return names == [f"{STOCK.get(name)}.repo"]

    def _dead(self, name: str, file: str, switch: str, code: str, url: str) -> Obstacle:
        why = _WHY.get(code, msg("curl fails with {code}", code=code))
        change = "a enabled=0" if switch == "-" else ",/^\\[/ s/^enabled *=.*/enabled=0/"
        section = f"/^\\[{name}\\]/"
        return Obstacle(
            msg(
                "the repository {name} of {file} does not answer ({url}: {why}), so yum fails",
                name=name,
                file=file,
                url=url,
                why=why,
            ),
            msg("`{command}`", command=f"sudo sed -i '{section}{change}' {file}"),
        )


def _twice(name: str, files: list[str], every: list[str]) -> Obstacle:
    second = files[-1]
    message = msg(
        "the repository {name} is defined in {files}, and yum takes one of them",
        name=name,
        files=", ".join(files),
    )
    if every.count(second) == 1 and second not in files[:-1]:
        remedy = msg("`{command}`", command=f"sudo mv {second} {second}.off")
    else:
        remedy = msg("remove the section [{name}] from one of them", name=name)
    return Obstacle(message, remedy)
