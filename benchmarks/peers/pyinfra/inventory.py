"""The nodes, as pyinfra wants them."""

import json
import os
from pathlib import Path

nodes = [
    (name, data) for name, data in json.loads(Path(os.environ["BENCH_NODES"]).read_text("utf-8"))
]
