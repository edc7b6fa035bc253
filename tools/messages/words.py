"""Messages that no reader of the source finds: other libraries' words, and what is put together."""

from __future__ import annotations

TYPER = (
    "Usage: ",
    "[OPTIONS]",
    "COMMAND [ARGS]...",
    "Arguments",
    "Options",
    "Commands",
    "Show this message and exit.",
    "default: {}",
    "env var: {}",
    "required",
    "No such command {}.",
    "No such command {}. Did you mean {}?",
    "No such option: {}",
    "No such option: {} (Possible options: {})",
    "Missing argument {}.",
    "Missing option {}.",
    "Missing command.",
    "Option {} requires an argument.",
    "Option {} does not take a value.",
    "Got unexpected extra argument(s) ({})",
    "Got unexpected extra argument ({})",
    "Got unexpected extra arguments ({})",
    "Invalid value for {}: {}",
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid number, unable to parse string as a number",
    "{} is not a valid integer.",
)
"""What Typer prints of its own; texts of other versions than these stay English."""

SYSTEM = (
    "No such file or directory",
    "Permission denied",
    "Is a directory",
    "Not a directory",
    "File exists",
    "No space left on device",
    "Read-only file system",
    "Connection refused",
    "Connection reset by peer",
    "No route to host",
    "Network is unreachable",
    "Name or service not known",
    "Temporary failure in name resolution",
    "timed out",
)
"""What operating systems say, which stands inside labctl's own sentences."""

JOINED = (
    # shapes.shown: an empty value is no text in quotes.
    "must be {}, is empty",
    # faults.where: the whole of lab.yaml.
    "the file",
    # resources: verbs and what they are done to.
    "write {}",
    "update {}",
    "start {}",
    "enable {}",
    "enable and start {}",
    "enable and restart {}",
    "enable and reload {}",
    "restart {}",
    "reload {}",
    "load the changed unit {}",
    "load the changed unit and start {}",
    "load the changed unit and restart {}",
    "load the changed unit and reload {}",
    "load the changed unit and enable {}",
    "load the changed unit and enable and start {}",
    # checks.endpoints, checks.programs and status: names of what is looked at, or of a state.
    "packages",
    "docker packages",
    "docker key",
    "mirror",
    "memory",
    "disk",
    "network",
    "virtualization",
    "no answer",
    "another host key",
    # Rehearsal.verdict: what it counts, and the nodes that were lost.
    "{} passed, {} failed, {} not applicable",
    "not rehearsed: {}",
    # outcomes of checks.
    "passed",
    "failed",
    "could not run",
    "not applicable",
    # levels of the doctor's findings.
    "skipped",
)
"""What the core puts together of words, or keeps in tables that are no sentences."""
