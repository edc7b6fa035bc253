"""The small verbs: the version, interfaces, properties, shared folders."""

from __future__ import annotations

from tests.vbox.double import Double
from tests.vbox.errors import FILE_ERROR, BadSyntax, NotInDouble, Refused
from tests.vbox.machine import Shared
from tests.vbox.network import Interfaces
from tests.vbox.options import action, parse


def version(double: Double, arguments: list[str]) -> None:
    """`--version`."""
    parse(arguments, {}, words=0)
    double.say(double.home.version)


def hostonlyif(double: Double, arguments: list[str]) -> None:
    """`hostonlyif create`, `ipconfig NAME --ip A --netmask M`, `remove NAME`."""
    verb, rest = action(arguments, "hostonlyif")
    match verb:
        case "create":
            parse(rest, {}, words=0)
            made = Interfaces(double.home).create()
            double.say(f"Interface '{made.name}' was successfully created")
        case "ipconfig":
            parsed = parse(rest, {"--ip": True, "--netmask": True}, words=1)
            mask = parsed.get("--netmask", "255.255.255.0")
            Interfaces(double.home).configure(parsed.words[0], parsed.one("--ip"), mask)
        case "remove":
            Interfaces(double.home).remove(parse(rest, {}, words=1).words[0])
        case _:
            raise BadSyntax(f"Invalid parameter '{verb}'")


def dhcpserver(double: Double, arguments: list[str]) -> None:
    """`dhcpserver remove`, which finds none: a network's servers go before it, if it has any."""
    verb, rest = action(arguments, "dhcpserver")
    if verb != "remove":
        raise NotInDouble(f"dhcpserver {verb}")
    known = {"--ifname": True, "--netname": True, "--interface": True, "--network": True}
    parse(rest, known, words=0)
    raise Refused("DHCP server does not exist")


def guestproperty(double: Double, arguments: list[str]) -> None:
    """`guestproperty get VM NAME`: no guest here has the Additions, so nothing is ever set."""
    verb, rest = action(arguments, "guestproperty")
    if verb != "get":
        raise NotInDouble(f"guestproperty {verb}")
    double.registry.find(parse(rest, {}, words=2).words[0])
    double.say("No value set!")


def setextradata(double: Double, arguments: list[str]) -> None:
    """`setextradata VM KEY [VALUE]`: without a value, the key is dropped."""
    words = parse(arguments, {}).words
    if len(words) not in (2, 3):
        raise BadSyntax("setextradata: a machine, a key, a value")
    if words[0] == "global":
        raise NotInDouble("setextradata global")
    with double.registry.changing(words[0]) as machine:
        machine.extra.pop(words[1], None)
        if len(words) == 3:
            machine.extra[words[1]] = words[2]


def sharedfolder(double: Double, arguments: list[str]) -> None:
    """`sharedfolder add|remove VM --name NAME …`."""
    verb, rest = action(arguments, "sharedfolder")
    known = {"--name": True, "--hostpath": True, "--transient": False, "--automount": False,
             "--readonly": False}  # fmt: skip
    parsed = parse(rest, known, words=1)
    name, transient = parsed.one("--name"), parsed.has("--transient")
    with double.registry.changing(parsed.words[0]) as machine:
        if transient:
            double.require_running(machine)
        else:
            double.require_off(machine)
        same = [f for f in machine.shared if (f.name, f.transient) == (name, transient)]
        if verb == "add":
            if same:
                raise Refused(f"Shared folder named '{name}' already exists", FILE_ERROR)
            machine.shared.append(Shared(name, parsed.one("--hostpath"), transient))
        elif verb == "remove":
            if not same:
                raise Refused(f"Could not find a shared folder named '{name}'", FILE_ERROR)
            machine.shared.remove(same[0])
        else:
            raise BadSyntax(f"Invalid parameter '{verb}'")
