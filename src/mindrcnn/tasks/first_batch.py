"""The picture of the first batch that a run trains on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from mindrcnn.data.batching.batch import Batch
from mindrcnn.drawing.pictures import write_picture
from mindrcnn.drawing.training_input import ChannelOrder, draw_batch
from mindrcnn.engine.trainer import Loader

logger = logging.getLogger(__name__)

FIRST_BATCH = "first_batch.jpg"


class FirstBatchDrawn:
    """A loader that also draws the first batch that it gives.

    loader: gives the batches.
    picture: the file to write.
    class_names: class_names[label - 1] names a label.
    channel_order: the order of the channels in a batch.
    """

    def __init__(
        self, *, loader: Loader, picture: Path, class_names: Sequence[str], channel_order: ChannelOrder
    ) -> None:
        self._loader = loader
        self._picture = picture
        self._class_names = class_names
        self._channel_order = channel_order
        self._is_drawn = False

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Yields the batches of an epoch from `start_step` on."""
        for batch in self._loader.epoch(epoch, start_step):
            if not self._is_drawn:
                self._is_drawn = True
                draw_first_batch(self._picture, batch, self._class_names, self._channel_order)
            yield batch


def draw_first_batch(picture: Path, batch: Batch, class_names: Sequence[str], channel_order: ChannelOrder) -> None:
    """Writes the picture of a batch; a failure is a warning, because no run is worth less than its picture."""
    try:
        write_picture(picture, draw_batch(batch, class_names, channel_order=channel_order))
    except Exception as error:
        logger.warning("cannot draw the first batch: %s", error)
