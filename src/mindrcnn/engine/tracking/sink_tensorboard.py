"""TensorBoard's event files, by tensorboardX, which is imported only when one is opened."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import time
from typing import Any

from PIL import Image

from mindrcnn.errors import InputError

_RGB = 3  # TensorBoard's number for the colour space


class TensorBoardSink:
    """One event file more in `folder`; TensorBoard shows all of a folder as one run.

    resumed_after: a step; TensorBoard forgets what earlier files say of later steps. Writes at once and in this thread:
    the writer that tensorboardX offers first uses another, and waits for ever when that one ends at a full disk.
    """

    def __init__(self, *, folder: Path, resumed_after: int | None) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary

        self.folder = folder
        self._event, self._summary = Event, Summary
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # file names carry seconds, so a file opened within the same one needs another end
            suffix = "" if resumed_after is None else f".{len(list(folder.iterdir()))}"
            self._writer = EventsWriter(str(folder / "events"), suffix)
        except OSError as error:
            raise self._unwritable(error) from error
        if resumed_after is not None:
            self._write(step=resumed_after + 1, session_log=SessionLog(status=SessionLog.START))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One point of each curve."""
        points = [self._summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(step=step, summary=self._summary(value=points))

    def pictures(self, step: int, files: Sequence[Path]) -> None:
        """The files as they are, under pictures/NAME."""
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
        """Ends the file."""
        try:
            self._writer.close()
        except OSError as error:
            raise self._unwritable(error) from error

    def _write(self, **content: Any) -> None:
        try:
            self._writer.write_event(self._event(wall_time=time(), **content))
            self._writer.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(f"cannot write {self.folder}: {error.strerror or error}")
