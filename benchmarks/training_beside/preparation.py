"""What both sides start from: configuration, initial weights, images and their order, learning rates."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.training_beside.piece import CONFIG, EVAL_IMAGES, SETTINGS, TRAIN_IMAGES, WEIGHTS, Run, write_json
from mindrcnn.build.data import build_eval_loader
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import dump_yaml
from mindrcnn.convert.conventions import SWITCHES, merge_trees
from mindrcnn.convert.families import FAMILIES
from mindrcnn.convert.mapping import export_state
from mindrcnn.data.batching.loader import TrainLoader
from mindrcnn.data.transforms.affine import AxisAffine
from mindrcnn.data.transforms.target import Target
from mindrcnn.datasets.subset import Cut, read_coco_content, split_file, subset
from mindrcnn.tasks.preparation import Prepared
from mindrcnn.weights.layouts import TORCH_NORM

BASE = Path(__file__).resolve().parents[2] / "configs" / "examples" / "finetune_small.yaml"
FRUITS_NUTS, COCO_MINI = "fruits_nuts", "coco_mini"
FRUITS_TRAIN_IMAGES, COCO_IMAGES = 12, 60


def split_fruits_nuts(folder: Path, out: Path) -> dict[str, Any]:
    """Writes 12 images to train on and 6 to evaluate on; returns the keys of the splits under `data`."""
    train, val = out / "train.json", out / "val.json"
    if not val.exists():
        split_file(folder / "trainval.json", Cut(amount=str(FRUITS_TRAIN_IMAGES)), out=train, rest=val)
    return split_keys(train, val, folder / "images")


def split_coco_mini(folder: Path, out: Path) -> dict[str, Any]:
    """Writes 60 images to train and to evaluate on; returns the keys of the splits under `data`.

    They are spread over the file and have objects but no crowd regions, which the two sides treat differently.
    """
    chosen = out / "train.json"
    if not chosen.exists():
        content = read_coco_content(folder / "annotations" / "instances_train2017.json")
        crowds = {one["image_id"] for one in content["annotations"] if one["iscrowd"]}
        with_objects = {one["image_id"] for one in content["annotations"]} - crowds
        usable = [image["id"] for image in content["images"] if image["id"] in with_objects]
        ids = {usable[index * len(usable) // COCO_IMAGES] for index in range(COCO_IMAGES)}
        write_json(chosen, subset(content, ids))
    return split_keys(chosen, chosen, folder / "train2017")


SPLITS = {FRUITS_NUTS: split_fruits_nuts, COCO_MINI: split_coco_mini}


def split_keys(train: Path, val: Path, images: Path) -> dict[str, Any]:
    """Returns the keys of both splits under `data`."""
    return {
        "root": str(images.parent),
        "train": {"name": "train", "annotations": str(train.resolve()), "images": str(images.resolve())},
        "val": {"name": "val", "annotations": str(val.resolve()), "images": str(images.resolve())},
    }


def write_config(run: Run, *, data: Path, weights: str, steps: int, short_side: int) -> Config:
    """Writes the configuration of a run: finetune_small.yaml, but torchvision's conventions as the importer sets them.

    run: the run.
    data: the data set's folder.
    weights: MobileNetV1's ImageNet weights.
    steps: the length of training.
    short_side: of the input; the long side is four thirds of it.
    """
    splits = run.root / run.data
    splits.mkdir(parents=True, exist_ok=True)
    sizes = [[short_side, short_side * 4 // 3], [short_side * 4 // 3, short_side]]
    conventions = {key: value for key, value in SWITCHES["torchvision"].items() if key not in ("pixel", "backbone")}
    fewer = {"rpn": {"pre_nms_topk": {"train": 400, "test": 400}, "post_nms_topk": {"train": 200, "test": 200}}}
    own: dict[str, Any] = {
        "base": str(BASE),
        "name": run.name.replace("/", "_"),
        "model": merge_trees({"backbone": {"weights": weights}}, conventions, fewer),
        "data": {
            **SPLITS[run.data](data, splits),
            "buckets": sizes,
            "short_side": short_side,
            "augment": {"flip_prob": 0.0},
        },
        "train": {
            "seed": run.seed,
            "optimizer": {"type": "sgd", "clip_norm": 10.0, "decay_norm_and_bias": True},
            "schedule": {"length": steps, "warmup_iterations": min(100, steps // 4)},
            "log_every": 1,
            "report": False,
        },
        "eval": {"batch_size": 1, "pictures": 0},
    }
    if run.model == "faster_rcnn":
        own["model"]["mask"] = None
    path = run.inputs / CONFIG
    path.write_text(dump_yaml(own), encoding="utf-8")
    return load_config(path)


def write_inputs(run: Run, config: Config, ready: Prepared) -> None:
    """Writes what the other side needs: weights, images, objects, their order and the learning rates."""
    np.savez(run.inputs / WEIGHTS, **torch_state(parameters_of(ready)))
    loader = ready.data.loader
    assert isinstance(loader, TrainLoader)
    order = image_order(loader, ready.plan.total_steps)
    np.savez_compressed(run.inputs / TRAIN_IMAGES, **training_arrays(loader, masks=config.model.mask is not None))
    assert ready.data.evaluator is not None
    np.savez_compressed(
        run.inputs / EVAL_IMAGES,
        **{
            f"{number}/{name}": value
            for number, batch in enumerate(build_eval_loader(config, ready.data.evaluator.dataset.records))
            for name, value in (("image", batch.images[0]), ("size", batch.image_sizes[0]))
        },
    )
    settings = {
        "seed": run.seed,
        "classes": len(ready.data.train.classes),
        "order": order,
        "learning_rates": [float(rate) for rate in ready.learning_rates],
        "model": json_tree(config.model),
        "optimizer": json_tree(config.train.optimizer),
    }
    write_json(run.inputs / SETTINGS, settings)


def json_tree(section: Any) -> Any:
    """Returns a section of the configuration as plain values."""
    return json.loads(json.dumps(section, default=vars))


def parameters_of(ready: Prepared) -> dict[str, NDArray]:
    """Returns the detector's initial values by name."""
    return {parameter.name: parameter.asnumpy() for parameter in ready.detector.get_parameters()}


def torch_state(parameters: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Returns our parameters under torchvision's names; the backbone, which it has not, keeps ours."""
    backbone = {name: value for name, value in parameters.items() if name.startswith("backbone.")}
    others = {name: value for name, value in parameters.items() if name not in backbone}
    state = export_state(others, FAMILIES["torchvision"])
    for name, value in backbone.items():
        layer, part = name.removeprefix("backbone.").rsplit(".", 1)
        state[f"backbone.body.{layer}.{getattr(TORCH_NORM, part, part) if layer.endswith('.norm') else part}"] = value
    return state


def image_order(loader: TrainLoader, steps: int) -> list[list[int]]:
    """Returns the image ids of each step's batch."""
    order: list[list[int]] = []
    epoch = 0
    while len(order) < steps:
        order += [list(batch.image_ids) for batch in loader.epoch(epoch)]
        epoch += 1
    return order[:steps]


def training_arrays(loader: TrainLoader, *, masks: bool) -> dict[str, NDArray]:
    """Returns padded image, size, boxes, labels and bitmaps (N, h, w) of each training image, named ID/...."""
    arrays: dict[str, NDArray] = {}
    for index, record in enumerate(loader.records):
        batch = loader.single(index)
        used = batch.gt_valid[0]
        height, width = (int(side) for side in batch.image_sizes[0])
        found = {
            "image": batch.images[0],
            "size": batch.image_sizes[0],
            "boxes": batch.gt_boxes[0][used],
            "labels": batch.gt_labels[0][used],
        }
        if masks:
            assert used.sum() == len(record.labels), f"image {record.image_id} has objects that do not train"
            affine = AxisAffine().scale(width / record.width, height / record.height)
            shapes = Target.of(record).segmentations
            found["masks"] = np.stack(
                [shape.draw(affine, (0, 0, width, height), height, width) for shape in shapes if shape is not None]
            )
        arrays |= {f"{record.image_id}/{name}": value for name, value in found.items()}
    return arrays
