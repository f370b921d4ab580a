"""Small valid files of every kind, made in a folder."""

from __future__ import annotations

import io
import json
import os
import zlib
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from PIL import Image

from mindrcnn.build.detector import build_detector
from mindrcnn.config.loader import dump_config, load_config
from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.formats.mindrecord.annotation import encode_annotation, head_bytes
from mindrcnn.data.formats.mindrecord.manifest import Manifest, ShardEntry, write_columns, write_manifest
from mindrcnn.datasets.demo import make_demo
from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, save_checkpoint
from mindrcnn.evaluation.paste import encode_bitmap
from mindrcnn.weights.write import WRITERS

CONFIG = """
base: demo/mask_rcnn_mobilenet_v1.yaml
name: fuzzed
model:
  fpn: {{out_channels: 8}}
  anchors: {{sizes: [8, 16, 32, 64, 128]}}
  rpn: {{pre_nms_topk: {{train: 32, test: 32}}, post_nms_topk: {{train: 32, test: 32}}, batch_size_per_image: 32}}
  roi_sampling: {{batch_size_per_image: 16}}
  box: {{fc_channels: 8, detections_per_image: 10, score_thresh: 0.0}}
  mask: {{type: mask_rcnn, resolution: 7, num_convs: 1, channels: 8}}
data:
  root: {root}
  train: {{annotations: annotations.json, images: train}}
  val: {{annotations: annotations.json, images: train}}
  buckets: [[64, 64]]
  short_side: 64
  max_objects: 8
  mask_side: 28
  workers: 0
train: {{batch_size: 2, schedule: {{unit: epoch, length: 1, warmup_iterations: 1, milestones: []}}}}
eval: {{pictures: 1}}
"""
IMAGES, SIDE, SEED = 4, 64, 0


class Seeds:
    """The valid files. `root` is the folder of the demonstration data, and of all altered files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        make_demo(root, train_images=IMAGES, val_images=1, size=SIDE, seed=SEED)
        self.images = root / "train"
        self.annotations = root / "annotations.json"
        self.config = root / "config.yaml"
        self.annotations.write_text(json.dumps(self.coco), encoding="utf-8")
        self.config.write_text(CONFIG.format(root=root), encoding="utf-8")

    @cached_property
    def coco(self) -> dict[str, Any]:
        """COCO content with polygons, and run lengths in both forms."""
        content = json.loads((self.root / "annotations" / "instances_train.json").read_text(encoding="utf-8"))
        content["annotations"] = content["annotations"][:6]
        plain, text = content["annotations"][:2]
        sizes = {image["id"]: [image["height"], image["width"]] for image in content["images"]}
        height, width = sizes[plain["image_id"]]
        plain["segmentation"] = {"size": [height, width], "counts": [100, 50, height * width - 150]}
        text["segmentation"] = _rectangle(*sizes[text["image_id"]])
        text["iscrowd"] = 1
        return dict(content)

    @cached_property
    def results(self) -> list[dict[str, Any]]:
        """Two result entries."""
        image, category = self.coco["images"][0], self.coco["categories"][0]["id"]
        entry = {"image_id": image["id"], "category_id": category, "bbox": [5.0, 3.0, 25.0, 17.0], "score": 0.5}
        mask = _rectangle(image["height"], image["width"])
        return [{**entry, "segmentation": mask}, {**entry, "segmentation": mask, "iou_score": 0.5}]

    @cached_property
    def config_yaml(self) -> str:
        """The whole configuration."""
        return dump_config(load_config(self.config))

    @cached_property
    def info(self) -> dict[str, Any]:
        """The description in the checkpoint, as JSON gives it."""
        info = CheckpointInfo(
            config_yaml=self.config_yaml,
            classes=tuple(category["name"] for category in self.coco["categories"]),
            category_ids=tuple(category["id"] for category in self.coco["categories"]),
            epoch=1,
            step=2,
            steps_per_epoch=2,
            metrics={"segm_AP": 0.5},
        )
        return dict(json.loads(json.dumps(asdict(info))))

    @cached_property
    def checkpoint(self) -> Path:
        """A checkpoint of the configuration's model, without training.

        It is made in a child process: after its first operation, MindSpore no longer works in processes forked later.
        """
        path = self.root / "model.ckpt"
        child = os.fork()
        if not child:
            try:
                self._write_checkpoint(path)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return path

    def _write_checkpoint(self, path: Path) -> None:
        config = load_config(self.config)
        ms.set_seed(1)
        tuples = {name: tuple(self.info[name]) for name in ("classes", "category_ids")}
        network = build_detector(config.model, len(self.info["classes"]))
        save_checkpoint(path, network=network, info=CheckpointInfo(**{**self.info, **tuples}))

    @cached_property
    def weights(self) -> dict[str, bytes]:
        """Three small arrays in every format of weights."""
        state = {f"layer{n}.weight": np.arange(6, dtype=np.float32).reshape(2, 3) for n in range(3)}
        contents = {}
        for suffix, write in WRITERS.items():
            path = self.root / f"weights{suffix}"
            write(path, state)
            contents[suffix] = path.read_bytes()
        return contents

    @cached_property
    def pictures(self) -> list[bytes]:
        """One picture in every format that is read."""
        picture = Image.fromarray(np.random.default_rng(SEED).integers(0, 255, (24, 32, 3), dtype=np.uint8))
        rotated = Image.Exif()
        rotated[0x0112] = 6
        palette, grey = picture.convert("P"), Image.fromarray(np.arange(768, dtype=np.uint16).reshape(24, 32))
        forms: list[tuple[Image.Image, str, dict[str, Any]]] = [
            *((picture, name, {}) for name in ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")),
            (picture, "JPEG", {"exif": rotated, "progressive": True}),
            (picture, "TIFF", {"compression": "tiff_lzw"}),
            (palette, "PNG", {"transparency": 3}),
            (grey, "PNG", {}),
        ]
        contents = []
        for image, name, options in forms:
            stream = io.BytesIO()
            image.save(stream, name, **options)
            contents.append(stream.getvalue())
        return contents

    @cached_property
    def mindrecord(self) -> Path:
        """A folder with one shard, whose file has the images and masks without MindRecord's own structure."""
        folder = self.root / "mindrecord"
        folder.mkdir()
        dataset = read_coco(annotations=self.annotations, images=self.images)
        content = b""
        columns: dict[str, list[Any]] = {name: [] for name in ("image_starts", "image_lengths", "image_crcs")}
        starts, lengths = [], []
        for record in dataset.records:
            image, (annotation, masks) = record.path.read_bytes(), encode_annotation(record)
            columns["image_starts"].append(len(content))
            columns["image_lengths"].append(len(image))
            columns["image_crcs"].append(zlib.crc32(image))
            first = len(content) + len(image) + head_bytes(len(masks))
            starts += [first + sum(masks[:n]) for n in range(len(masks))]
            lengths += masks
            content += image + annotation
        shard = folder / "shard-00000-of-00001.mindrecord"
        shard.write_bytes(content)
        records = list(dataset.records)
        entry = ShardEntry(shard.name, len(records), len(starts), len(content), "0" * 64, 0, "0" * 64)
        arrays = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
        arrays |= {
            "names": np.array([record.path.name.encode() for record in records]),
            "image_ids": np.array([record.image_id for record in records], dtype=np.int64),
            "sizes": np.array([record.size for record in records], dtype=np.int32),
            "counts": np.array([len(record.labels) for record in records], dtype=np.int32),
            "boxes": np.concatenate([record.boxes for record in records]),
            "labels": np.concatenate([record.labels for record in records]),
            "crowd": np.concatenate([record.crowd for record in records]),
            "mask_starts": np.array(starts, dtype=np.int64),
            "mask_lengths": np.array(lengths, dtype=np.int32),
        }
        write_columns(shard, entry, "source", arrays)
        write_manifest(folder, Manifest("source", dataset.classes, dataset.category_ids, (entry,)))
        return folder


def _rectangle(height: int, width: int) -> dict[str, Any]:
    """Returns a rectangle as COCO's compressed run lengths."""
    bitmap = np.zeros((height, width), dtype=bool)
    bitmap[3:20, 5:30] = True
    return {**encode_bitmap(bitmap)}
