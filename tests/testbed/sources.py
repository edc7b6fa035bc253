"""Settings of a lab.yaml whose sources are stand-ins: keys and checksums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.testbed.repository import COMPOSE_VERSIONS


def overrides(keys: Path, compose: Path) -> dict[str, dict[str, object]]:
    """`sources` of a lab.yaml for this testbed; addresses are the real ones and need no word."""
    fingerprints = json.loads((keys / "fingerprints.json").read_text())
    return {
        "vault": {"fingerprint": fingerprints["centos"]},
        "docker": {"fingerprint": fingerprints["docker"]},
        "compose": {
            "sha256": {
                version: hashlib.sha256(
                    (compose / f"docker-compose-{version}").read_bytes()
                ).hexdigest()
                for version in COMPOSE_VERSIONS
            }
        },
    }


def to_yaml(sources: dict[str, dict[str, object]]) -> str:
    """The same as text for a lab.yaml."""
    lines = ["sources:"]
    for name, settings in sources.items():
        lines.append(f"  {name}:")
        for key, value in settings.items():
            if isinstance(value, dict):
                lines += [f"    {key}:", *(f"      {k}: {v}" for k, v in value.items())]
            else:
                lines.append(f'    {key}: "{value}"')
    return "\n".join(lines) + "\n"
