"""The work of peers/labctl/simulated.py, for pyinfra."""

import io
import json
import os
import sys
from pathlib import Path

from pyinfra.operations import files

sys.path.insert(0, str(Path(__file__).parent))
from blocks import put_blocks

work = json.loads(Path(os.environ["BENCH_WORK"]).read_text("utf-8"))

for file in work["files"]:
    files.put(
        name=f"Put {file['path']}",
        src=io.StringIO(file["content"]),
        dest=file["path"],
        user="root",
        group="root",
        mode=file["mode"].lstrip("0"),
    )

put_blocks(work["blocks"])

for link in work["links"]:
    files.link(name=f"Link {link['path']}", path=link["path"], target=link["target"])
