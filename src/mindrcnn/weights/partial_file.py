"""The part of a download that has arrived, kept beside the final file until the rest has."""

import os
from contextlib import suppress
from pathlib import Path

from mindrcnn.atomic import move_into_place


class PartialFile:
    """A file that grows to `final`, and the server's tag of the version that it is a part of.

    Without a tag the rest could be that of another version, so a part without one is of no use.
    """

    def __init__(self, final: Path) -> None:
        self.final = final
        self.path = final.with_name(f"{final.name}.part")
        self._tag = final.with_name(f"{final.name}.part.tag")

    @property
    def size(self) -> int:
        """Number of bytes that a request can skip; 0 without a tag."""
        try:
            return self.path.stat().st_size if self.tag else 0
        except OSError:
            return 0

    @property
    def tag(self) -> str:
        """The server's tag; empty without one."""
        try:
            return self._tag.read_text(encoding="latin-1")
        except OSError:
            return ""

    def begin(self, tag: str) -> None:
        """Forgets what there is; a tag allows to resume what follows."""
        self.discard()
        if tag:
            self._tag.write_text(tag, encoding="latin-1")

    def discard_unless_tagged(self) -> None:
        """Removes a part that cannot be resumed."""
        if not self.size:
            self.discard()

    def discard(self) -> None:
        """Removes the part and its tag."""
        for path in (self.path, self._tag):
            with suppress(OSError):
                os.unlink(path)

    def finish(self) -> None:
        """Moves the complete file to its place."""
        move_into_place(self.path, self.final)
        self.discard()
