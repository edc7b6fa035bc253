"""python -m tests.vbox: what bin/VBoxManage runs."""

from __future__ import annotations

import sys

from tests.vbox.cli import main

if __name__ == "__main__":
    sys.exit(main())
