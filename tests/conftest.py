"""What every test needs, of whatever kind."""

import signal


def pytest_configure() -> None:
    """Take Ctrl-C even where whoever started the tests does not, as a script's `&` has it.

    What the tests start and interrupt inherits it, and would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
