"""docs/finetune.md: its configurations and overrides are valid, its programs and options exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mindrcnn.config.loader import dump_config, load_config
from mindrcnn.config.run import Config

REPOSITORY = Path(__file__).resolve().parents[1]
TEXT = (REPOSITORY / "docs" / "finetune.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[list[str]]:
    """Arguments of each call of a program."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    calls = [shlex.split(line, comments=True) for line in lines if line.startswith(f"mindrcnn {program} ")]
    return [call[2:] for call in calls]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the document has the reader write, with the repository's configurations beside it."""
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    small, coco = blocks("yaml")
    (tmp_path / "my_data.yaml").write_text(small)
    (tmp_path / "my_data_coco.yaml").write_text(coco)
    base = load_config(REPOSITORY / "configs" / "mask_rcnn_r50_fpn_1x_coco.yaml")
    (tmp_path / "coco.yaml").write_text(dump_config(base))
    return tmp_path


def configured(folder: Path, arguments: list[str]) -> Config:
    file, *rest = arguments
    overrides = [word for word in rest if "=" in word]
    return load_config(folder / file, overrides)


def test_every_training_has_a_valid_configuration(folder: Path) -> None:
    configs = [configured(folder, arguments) for arguments in commands("train")]
    assert [config.name for config in configs] == [
        "my_data", "my_data", "my_data_coco", "my_data_ms", "my_data_point_rend"
    ]  # fmt: skip
    assert {config.data.root for config in configs} == {"my_data"}
    assert configs[0].train.schedule.length == 2
    assert configs[2].train.init_checkpoint == "coco.ckpt"
    assert [config.model.mask and config.model.mask.type for config in configs[3:]] == ["ms_rcnn", "point_rend"]


HINTS = ("data.augment.photometric_prob=0.5", "data.augment.crop_prob=0.5", "train.eval_every=20", "data.mask_side=112")


@pytest.mark.parametrize("hint", HINTS)
def test_hints_are_valid_overrides(folder: Path, hint: str) -> None:
    assert f"`{hint}`" in TEXT
    load_config(folder / "my_data.yaml", [hint])


@pytest.mark.parametrize("program", ["train", "eval", "infer", "export", "subset", "convert"])
def test_options_exist(program: str) -> None:
    used = {word for arguments in commands(program) for word in arguments if word.startswith("--")}
    assert commands(program)
    helped = subprocess.run(
        [sys.executable, "-m", "mindrcnn", program, "--help"], capture_output=True, text=True, check=True
    )
    assert {option for option in used if option not in helped.stdout} == set()
