"""labctl: Vagrant lab clusters for a Docker course, brought up, provisioned and verified.

Nothing is imported here, so that a command pays only for what it uses.
"""

__version__ = "0.1.0"
