"""Files, blocks and links in one folder: what a machine without packages can be made to have."""

from labctl.playbook import Block, File, Link
from labctl.provision.play import Play, Plays

FOLDER = "@FOLDER@"


def play(play: Play) -> Plays:
    for number in range(5):
        yield File(f"{FOLDER}/file{number}", f"The text of file {number}.\n" * 20)
    for number in range(3):
        yield Block(f"{FOLDER}/hosts{number}", "nodes", ("192.0.2.1 one", "192.0.2.2 two"))
    for number in range(4):
        yield Link(f"{FOLDER}/link{number}", f"{FOLDER}/file{number}")
