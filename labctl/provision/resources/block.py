"""Lines that labctl owns in a file that belongs to somebody else, such as /etc/hosts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from labctl.messages import msg
from labctl.provision.resources.atomic_write import replacing
from labctl.provision.resources.base import Change, Observed, quote, text_diff


@dataclass(frozen=True, slots=True)
class Block:
    """A marked block of lines in a file; every byte outside it is left alone.

    Parameters:
        path: absolute path of the file; it is created if missing.
        name: one word for the block; a file may have several.
        lines: the lines between the marks, without line ends. Empty: no block.
    """

    path: str
    name: str
    lines: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"block:{self.path}:{self.name}"

    @property
    def begin(self) -> str:
        """The line that opens the block."""
        return f"# labctl {self.name}: begin (rewritten by labctl; add your lines outside)"

    @property
    def end(self) -> str:
        """The line that closes the block."""
        return f"# labctl {self.name}: end"

    def probe(self) -> str:
        path = quote(self.path)
        return f"if [ -e {path} ]; then cat {path}; fi"

    def plan(self, observed: Observed) -> Change | None:
        if not observed.ok:
            raise ValueError(
                msg(
                    "{path} cannot be read: {reason}",
                    path=self.path,
                    reason=observed.output.strip(),
                )
            )
        old = observed.output
        if "\0" in old:
            raise ValueError(
                msg(
                    "{path} contains a NUL byte, which a shell cannot handle; remove it",
                    path=self.path,
                )
            )
        new = self.inserted(old)
        if new == old:
            return None
        # Somebody may edit the file between probe and change; then the change fails.
        digest = hashlib.sha256(old.encode("utf-8", "surrogateescape")).hexdigest()
        path = quote(self.path)
        guard = (
            f"seen=$(if [ -e {path} ]; then cat {path}; fi | sha256sum)\n"
            f'[ "${{seen%% *}}" = {digest} ] || '
            f"{{ echo {quote(f'{self.path} was edited meanwhile; run again')}; exit 1; }}"
        )
        script = replacing(self.path, new, check=guard)
        return Change(
            msg("update the block {name} in {path}", name=self.name, path=self.path),
            script,
            text_diff(old, new, self.path),
        )

    def inserted(self, text: str) -> str:
        """Return `text` with this block in it, in its old place or else at the end.

        Raises:
            ValueError: the marks are damaged, so that the block's extent is unknown.
        """
        body = [self.begin, *self.lines, self.end] if self.lines else []
        lines = text.split("\n")
        begins = [i for i, line in enumerate(lines) if line == self.begin]
        ends = [i for i, line in enumerate(lines) if line == self.end]
        if not begins and not ends:
            if not body:
                return text
            separator = "" if not text or text.endswith("\n") else "\n"
            return text + separator + "\n".join(body) + "\n"
        if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
            raise ValueError(
                msg(
                    "the marks of labctl's block {name} in {path} are damaged; remove the "
                    "lines '{begin}' and '{end}' and run again",
                    name=self.name,
                    path=self.path,
                    begin=self.begin,
                    end=self.end,
                )
            )
        return "\n".join([*lines[: begins[0]], *body, *lines[ends[0] + 1 :]])
