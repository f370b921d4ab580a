"""The networks of this repository for MindSpore Hub, under the convention of the MindSpore model zoo.

`create_network("torchvision/mask_rcnn_r50_fpn")` is a published detector with its weights, which are downloaded once;
`create_network("mask_rcnn_r50_fpn_1x_coco", num_classes=3)` is the detector of a configuration in configs/, untrained.
"""

import sys
from pathlib import Path
from typing import Any

if (Path(__file__).parent / "src" / "mindrcnn").is_dir():
    sys.path.insert(0, str(Path(__file__).parent / "src"))

from mindspore import nn

from mindrcnn.build.detector import build_detector
from mindrcnn.build.trained_model import open_checkpoint, restore_detector
from mindrcnn.config.loader import load_config
from mindrcnn.config.packaged import find_packaged
from mindrcnn.models.detector import Predictor, TwoStageDetector
from mindrcnn.obtain import checkpoint_file
from mindrcnn.published.table import find_published, near_names

COCO_CLASSES = 80


def create_network(name: str, *args: Any, **kwargs: Any) -> nn.Cell:
    """Returns a network that predicts: (B, 3, H, W) uint8 images, (B, 2) int32 sizes -> see TwoStageDetector.predict.

    Its `detector` is the TwoStageDetector, which also has `losses`.

    name: a detector that `mindrcnn models` lists, or a configuration in configs/, without the suffix.
    args: none are known.
    kwargs: `overrides`, configuration keys to change (`["model.box.score_thresh=0.3"]`); for a configuration also
        `num_classes`, without the background.

    Raises NotImplementedError for another name, TypeError for another argument.
    """
    if args:
        raise TypeError(f"create_network: wanted a name and keywords, got {len(args)} more arguments")
    model = find_published(name)
    predictor = Predictor(detector=_published(name, **kwargs) if model else _untrained(name, **kwargs))
    predictor.set_train(False)
    return predictor


def _published(name: str, *, overrides: tuple[str, ...] = ()) -> TwoStageDetector:
    return restore_detector(*open_checkpoint(checkpoint_file(name), list(overrides)))


def _untrained(name: str, *, overrides: tuple[str, ...] = (), num_classes: int = COCO_CLASSES) -> TwoStageDetector:
    file = find_packaged(f"{name}.yaml")
    if file is None:
        raise NotImplementedError(f"{name} is neither a published model nor a configuration here{near_names(name)}")
    return build_detector(load_config(file, list(overrides)).model, num_classes)
