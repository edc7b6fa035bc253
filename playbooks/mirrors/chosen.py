"""Which registry mirrors the engine uses."""

from labctl.playbook import Observed, Play, shell_script


def mirrors(play: Play) -> list[str]:
    """Return the mirrors that lab.yaml lists, or of labctl's candidates those that answer."""
    listed = play.lab.docker.mirrors
    if listed != "auto":
        return list(listed)
    candidates = " ".join(play.lab.sources.mirrors)
    way = play.proxy.described if play.proxy else ""
    measure = shell_script(__file__, "measure.sh", candidates=candidates, way=way)
    return list(play.choose("mirrors.live", measure, _live))


def _live(seen: Observed) -> list[str]:
    """A registry answers /v2/ with 200, or with 401 if it requires a token."""
    answers = [line.split() for line in seen.output.splitlines()]
    live = [(float(a[1].replace(",", ".")), a[2]) for a in answers if a[:1] in (["200"], ["401"])]
    return [url for _, url in sorted(live)]
