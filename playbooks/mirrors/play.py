"""Registry mirrors: pulls use the mirrors that answer from this very node.

Public mirrors come and go by the month, and the engine tries them in order, so a dead one slows
down every pull. Each candidate is tried from the node; the ones that answer are kept, the fastest
first. The result stays until `labctl provision --refresh`, so that two runs do not differ.
"""

from labctl.playbook import Play, Plays, Service

from ..engine import daemon


def play(play: Play) -> Plays:
    # The playbook engine writes the same file before the engine first starts. Here it is for labs
    # without that playbook, and for `--only mirrors`.
    yield from daemon.settings(play)
    yield Service("docker")
