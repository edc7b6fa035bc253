"""The lab.yaml that `labctl init` writes.

It is the first page of documentation that most users read, so it holds every key they may want,
each with its default and a reason to change it. It is text and not generated: a generator has no
sense of what belongs together.
"""

from __future__ import annotations

TEXT = """\
# lab.yaml: what this lab is. Every line that begins with '# ' and a key shows a default;
# take the '# ' away to change it. `labctl schema` prints a JSON Schema for your editor.

# How many machines, named docker-node1, docker-node2 …
nodes: 2
"""
