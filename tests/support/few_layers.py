"""The backbone "few_layers": a stem and four blocks of MobileNetV1, whose 27 layers take a third of a graph's compiler.

It is registered as another package's is: here by `registered`, and in a process that a test starts by ENVIRONMENT.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mindrcnn import extensions
from mindrcnn.config.model import BackboneConfig
from mindrcnn.config.schema import key
from mindrcnn.models.backbones.base import STEM_STAGE, StagedBackbone, stage_norm
from mindrcnn.models.backbones.mobilenet_v1 import PADDING, SeparableBlock
from mindrcnn.models.layers import ConvNorm, msra_normal_fan_in

SUPPORT = Path(__file__).parent
SOURCES = SUPPORT.parents[1] / "src"
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(map(str, (SOURCES, SUPPORT))), extensions.VARIABLE: "few_layers_extension"}

NAME: Literal["few_layers"] = "few_layers"
STEM_CHANNELS = 16
OUT_CHANNELS = (32, 32, 64, 64)


@dataclass(frozen=True)
class FewLayersConfig(BackboneConfig):
    name: Literal["few_layers"] = key(NAME, "Architecture.")  # type: ignore[assignment]


class FewLayers(StagedBackbone):
    """As MobileNetV1, with one block of stride 2 a stage."""

    def __init__(self, config: BackboneConfig) -> None:
        norms = [stage_norm(stage, norm=config.norm, frozen_stages=config.frozen_stages) for stage in range(1, 6)]
        stem = ConvNorm(
            in_channels=3,
            out_channels=STEM_CHANNELS,
            kernel_size=3,
            stride=2,
            norm=norms[STEM_STAGE - 1],
            activation="relu6",
            padding=PADDING[2],
            weight_init=msra_normal_fan_in(),
        )
        stages = [
            SeparableBlock(in_channels=channels, out_channels=width, stride=2, norm=norm)
            for channels, width, norm in zip((STEM_CHANNELS, *OUT_CHANNELS), OUT_CHANNELS, norms[1:], strict=False)
        ]
        stage2, stage3, stage4, stage5 = stages
        super().__init__(
            stem=stem,
            stages=(stage2, stage3, stage4, stage5),
            out_channels=OUT_CHANNELS,
            frozen_stages=config.frozen_stages,
        )


def register() -> None:
    extensions.register_backbone(FewLayersConfig, FewLayers)


@contextmanager
def registered() -> Iterator[None]:
    """Registers the backbone, and forgets it at the end: tests of the configuration list all names."""
    outer = NAME in extensions.BACKBONES
    register()
    yield
    if not outer:
        del extensions.BACKBONES[NAME]
