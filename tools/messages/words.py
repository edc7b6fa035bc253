"""Words that labctl's source has only as values. Babel reads this file; nothing runs it."""

from labctl.messages import msg

WORDS = (
    # The default of `joined`.
    msg("{first}; {then}"),
    # Names of what the doctor examines.
    msg("packages"),
    msg("docker packages"),
    msg("docker key"),
    msg("mirror"),
    # Errors of operating systems.
    msg("No such file or directory"),
    msg("Permission denied"),
    msg("Is a directory"),
    msg("Not a directory"),
    msg("File exists"),
    msg("No space left on device"),
    msg("Read-only file system"),
    msg("Connection refused"),
    msg("Connection reset by peer"),
    msg("No route to host"),
    msg("Network is unreachable"),
    msg("Name or service not known"),
    msg("Temporary failure in name resolution"),
    msg("timed out"),
)
