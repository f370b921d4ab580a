"""TensorBoard sink; tensorboardX is imported only when an event file is opened."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import time
from typing import Any

from PIL import Image

from mindrcnn.errors import InputError

_RGB = 3  # TensorBoard's number for the colour space


class TensorBoardSink:
    """A new event file in `folder`; TensorBoard shows all files of a folder as one run.

    config_yaml: the configuration, shown among the texts; empty for none.
    resumed_after: a step; TensorBoard discards what earlier files say about later steps. Events are written immediately
    and in this thread: tensorboardX's default writer uses another, and hangs if that one dies on a full disk.
    """

    def __init__(self, *, folder: Path, resumed_after: int | None, config_yaml: str = "") -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX.summary import text

        self.folder = folder
        self._event, self._summary = Event, Summary
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # file names contain the time in seconds, so two files opened in one second need different suffixes
            suffix = "" if resumed_after is None else f".{len(list(folder.iterdir()))}"
            self._writer = EventsWriter(str(folder / "events"), suffix)
        except OSError as error:
            raise self._write_error(error) from error
        if resumed_after is not None:
            self._write(step=resumed_after + 1, session_log=SessionLog(status=SessionLog.START))
        if config_yaml:  # shown as Markdown, where indented lines are code
            shown = text("config", textwrap.indent(config_yaml, "    "))
            self._write(step=0 if resumed_after is None else resumed_after + 1, summary=shown)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one point for each curve."""
        points = [self._summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(step=step, summary=self._summary(value=points))

    def pictures(self, step: int, files: Sequence[Path]) -> None:
        """Writes the files as they are, under pictures/NAME."""
        shown = []
        for file in files:
            with Image.open(file) as picture:
                width, height = picture.size
            encoded = self._summary.Image(
                height=height, width=width, colorspace=_RGB, encoded_image_string=file.read_bytes()
            )
            shown.append(self._summary.Value(tag=f"pictures/{file.stem}", image=encoded))
        self._write(step=step, summary=self._summary(value=shown))

    def close(self, *, failed: bool) -> None:
        """Closes the file."""
        try:
            self._writer.close()
        except OSError as error:
            raise self._write_error(error) from error

    def _write(self, **content: Any) -> None:
        try:
            self._writer.write_event(self._event(wall_time=time(), **content))
            self._writer.flush()
        except OSError as error:
            raise self._write_error(error) from error

    def _write_error(self, error: OSError) -> InputError:
        return InputError(f"cannot write {self.folder}: {error.strerror or error}")
