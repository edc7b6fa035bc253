"""The engine pulls through the mirrors that were chosen."""

from typing import Any

from testinfra.host import Host

from labctl.exercise import msg, on_failure

IMAGES = ("busybox",)


@on_failure(
    "Docker uses other mirrors than the lab",
    because="daemon.json was changed, or Docker was not reloaded",
)
def test_engine_uses_the_mirrors(host: Host, wanted: dict[str, Any]) -> None:
    """the running engine uses the mirrors in their order, the lab's own cache first"""
    chosen = wanted["docker"]["mirrors"]
    if chosen == "auto":
        chosen = wanted["choices"].get("mirrors.live", [])
    if "hub_cache" in wanted and wanted["hub_cache"]["node"] != wanted["name"]:
        cache = wanted["hub_cache"]["url"]
        chosen = [cache, *(mirror for mirror in chosen if mirror.rstrip("/") != cache)]
    seen = host.run("docker info --format '{{range .RegistryConfig.Mirrors}}{{.}} {{end}}'")
    expected = [f"{mirror.rstrip('/')}/" for mirror in chosen]
    # A machine may have mirrors of its own besides; labctl leaves them.
    assert [mirror for mirror in seen.stdout.split() if mirror in expected] == expected, msg(
        "Docker uses {seen} instead of {expected}",
        seen=seen.stdout.strip() or msg("none"),
        expected=", ".join(expected) or msg("none"),
    )


@on_failure("images cannot be pulled", fix="labctl provision --refresh")
def test_pull(host: Host) -> None:
    """an image can be pulled"""
    result = host.run("docker pull --quiet busybox")
    assert result.rc == 0, result.stderr
