"""MindRecord files of the training split, made before the first training that asks for them."""

import logging
from pathlib import Path

from mindrcnn import paths
from mindrcnn.build.data import build_dataset, locate_split
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.data.formats.mindrecord.convert import Source, convert
from mindrcnn.data.formats.mindrecord.manifest import INDEX, read_manifest
from mindrcnn.data.record import Dataset
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

TRAIN = "train"  # subfolder of data.mindrecord_dir
MINDRECORD = "mindrecord"


def build_training_dataset(data: DataConfig, ranks: Ranks) -> Dataset:
    """Reads the training split, from the MindRecord files of data.mindrecord_dir if that is given.

    The first process makes the files if they are missing, while the others wait.
    """
    if not data.mindrecord_dir or locate_split(data, data.train, "data.train")[0].name == MINDRECORD:
        return build_dataset(data, data.train, "data.train")
    folder = paths.resolve(paths.expand(data.mindrecord_dir)) / TRAIN
    ranks.from_first(lambda: make_files(data, folder))
    converted = SplitConfig(format=MINDRECORD, annotations=str(folder), limit=data.train.limit)
    return build_dataset(data, converted, "data.train")


def make_files(data: DataConfig, folder: Path) -> None:
    """Converts the training split into the folder, unless it holds it already.

    Raises InputError for a folder with the files of other data.
    """
    data_format, files = locate_split(data, data.train, "data.train")
    source = Source(
        files=files,
        format=data_format,
        classes=data.classes,
        ignore_other_categories=data.ignore_other_categories,
    )
    if paths.exists(folder / INDEX):
        if read_manifest(folder).source != source.key():
            raise InputError(
                f"data.mindrecord_dir: wanted a folder for {files.annotations} with these classes, got {folder}, which "
                "holds other data"
            )
        logger.info("training reads the MindRecord files in %s", folder)
        return
    logger.info("converting %s to MindRecord files in %s", files.annotations, folder)
    manifest = convert(source, folder, shards=None, workers=0).manifest
    logger.info("%d images in %d MindRecord files", manifest.images, len(manifest.shards))
