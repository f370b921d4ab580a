"""Import of ImageNet backbones without a detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindspore import nn

from mindrcnn.build.detector import build_backbone
from mindrcnn.config.loader import parse_config
from mindrcnn.config.model import BackboneConfig
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import dump_yaml
from mindrcnn.convert.architecture import MOST_BLOCKS, RESNETS
from mindrcnn.convert.conventions import BACKBONE_SWITCHES, merge_trees
from mindrcnn.convert.families import FAMILIES, NAMES_SHOWN
from mindrcnn.errors import InputError
from mindrcnn.models.backbones.mobilenet_v1 import MobileNetV1
from mindrcnn.models.backbones.resnet import ResNet
from mindrcnn.weights.backbone import LAYOUTS, LoadReport, fill_backbone
from mindrcnn.weights.read import WeightsFile


@dataclass(frozen=True)
class ImportedBackbone:
    """A backbone with the file's weights; `model` holds its keys under `model` in a configuration."""

    backbone: nn.Cell
    model: dict[str, Any]
    report: LoadReport

    def config(self, weights: Path) -> Config:
        """Returns a configuration that starts training from `weights`, the file in which the backbone is saved."""
        model = merge_trees(self.model, {"backbone": {"weights": str(weights)}})
        return parse_config(dump_yaml({"model": model}), "imported configuration")


def import_backbone(file: WeightsFile) -> ImportedBackbone:
    """Imports the backbone in the file. Raises InputError if there is none or it does not fit exactly."""
    name = _backbone_name(file)
    backbone = build_backbone(BackboneConfig(name=name, norm="frozen", frozen_stages=0))
    report = fill_backbone(backbone, file)
    model = merge_trees({"backbone": {"name": name}}, BACKBONE_SWITCHES.get(report.layout, {}))
    return ImportedBackbone(backbone=backbone, model=model, report=report)


def _backbone_name(file: WeightsFile) -> Any:
    for layout in LAYOUTS[MobileNetV1]:
        if layout.sources("stem")["stem.conv.weight"] in file.arrays:
            return "mobilenet_v1"
    for layout in LAYOUTS[ResNet]:
        names = (layout.sources(f"stage4.{i}.conv3")[f"stage4.{i}.conv3.conv.weight"] for i in range(MOST_BLOCKS))
        blocks = sum(name in file.arrays for name in names)
        if blocks in RESNETS:
            return RESNETS[blocks]
        if blocks:
            wanted = " or ".join(f"{count} ({name})" for count, name in RESNETS.items())
            raise InputError(f"{file.path}: wanted a ResNet with {wanted} bottlenecks at stride 16, got {blocks}")
    titles = sorted({layout.title for layouts in LAYOUTS.values() for layout in layouts})
    raise InputError(
        f"{file.path}: wanted a detector of {', '.join(FAMILIES)} or a backbone ({', '.join(titles)}); got names like "
        f"{', '.join(sorted(file.arrays)[:NAMES_SHOWN])}"
    )
