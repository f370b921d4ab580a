"""Sink for MindSpore's summary files, which MindInsight displays."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor
from PIL import Image


class SummaryRecordSink:
    """A summary file in `folder`, written from scratch: MindInsight cannot delete steps.

    For a resumed run, `before` holds the (step, scalars) of its log, which are written again; the pictures of earlier
    evaluations are lost. MindSpore writes from a separate process that polls without pause and so occupies a core.
    """

    def __init__(self, *, folder: Path, before: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._record = ms.SummaryRecord(str(folder), num_process=1)
        self._record.set_mode("eval")  # collects nothing from inside the graph
        for step, values in before:
            self.scalars(step, values)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one point for each curve."""
        for name, value in values.items():
            self._record.add_value("scalar", name, Tensor(np.float32(value)))
        self._record.record(step)

    def pictures(self, step: int, files: Sequence[Path]) -> None:
        """Writes the images under pictures/NAME."""
        for file in files:
            with Image.open(file) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            image = Tensor.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis]))
            self._record.add_value("image", f"pictures/{file.stem}", image)
        self._record.record(step)

    def close(self, *, failed: bool) -> None:
        """Waits until everything is written."""
        self._record.close()
