"""The zoo's own parameter lists: every key has its fate, and the result is a configuration."""

import ast
from pathlib import Path

import pytest
import yaml

from mindrcnn.config.loader import load_config
from mindrcnn.config.model import MaskRCNNConfig, MaskScoringConfig, PointRendConfig
from mindrcnn.config.run import Config
from mindrcnn.migrate.conversion import migrate
from mindrcnn.migrate.page import render
from mindrcnn.migrate.program import migrate_file
from mindrcnn.migrate.source import read_zoo_file

FILES = Path(__file__).with_name("files")
PACKAGED = Path(__file__).resolve().parents[2] / "configs"
NAMES = ("mask_rcnn_mobilenet_v1.txt", "point_rend_r50.yaml", "ms_rcnn_r50.yaml", "faster_rcnn_r50.yaml")
REMARKED = {  # per file, keys that mean something else here and so have a comment
    "mask_rcnn_mobilenet_v1.txt": ["anchor_scales", "rcnn_target_stds", "base_lr", "coco_classes", "warmup_ratio"],
    "point_rend_r50.yaml": ["anchor_scales", "save_checkpoint_epochs", "warmup_ratio", "expand_ratio"],
    "ms_rcnn_r50.yaml": [
        "mask_iou_head.loss_iou.loss_weight",
        "backbone.frozen_stages",
        "save_every",
        "bbox_head.bbox_coder.target_stds",
    ],
    "faster_rcnn_r50.yaml": ["anchor_scales", "loss_scale", "pre_trained", "run_eval"],
}


def zoo_file(name: str, folder: Path) -> Path:
    """The file under the name that it has in the zoo."""
    if name.endswith(".yaml"):
        return FILES / name
    path = folder / "config.py"
    path.write_text((FILES / name).read_text())
    return path


def keys_of(name: str) -> set[str]:
    """The file's keys, read another way than the product's."""
    text = (FILES / name).read_text()
    if name.endswith(".yaml"):
        values = next(yaml.safe_load_all(text))
    else:
        names = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
        return {line.split('"')[1] for line in text.splitlines() if line.strip().startswith('"')} & set(names)
    return set(values)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Config]]:
    """Text and configuration by file."""
    results = {}
    for name in NAMES:
        folder = tmp_path_factory.mktemp("zoo")
        migrate_file(zoo_file(name, folder), out=folder / "out.yaml")
        results[name] = ((folder / "out.yaml").read_text(), load_config(folder / "out.yaml"))
    return results


@pytest.mark.parametrize("name", NAMES)
def test_every_key_stands_in_the_result(name: str, migrated: dict[str, tuple[str, Config]]) -> None:
    comments = " ".join(line.partition("#")[2] for line in migrated[name][0].splitlines())
    words = {word.strip(",:") for word in comments.split()}
    words |= {word.split(".")[0] for word in words}
    assert len(keys_of(name)) > 60
    assert keys_of(name) - words == set()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost_or_unknown(name: str, tmp_path: Path) -> None:
    migration = migrate(read_zoo_file(zoo_file(name, tmp_path)))
    assert [item.name for item in migration.left if item.group in ("lost", "unknown")] == []


@pytest.mark.parametrize("name", NAMES)
def test_keys_with_another_meaning_have_a_remark(name: str, migrated: dict[str, tuple[str, Config]]) -> None:
    for key in REMARKED[name]:
        assert f"# {key}: " in migrated[name][0] or f"#   {key}: " in migrated[name][0]


def test_mask_rcnn(migrated: dict[str, tuple[str, Config]]) -> None:
    config = migrated["mask_rcnn_mobilenet_v1.txt"][1]
    assert config.model.backbone.name == "mobilenet_v1"
    assert config.model.mask == MaskRCNNConfig()
    assert config.model.anchors.sizes == (32, 64, 128, 256, 512)
    assert config.model.anchors.rounded
    assert config.model.box.coder_weights == (10, 10, 5, 5)
    assert config.data.classes == ("person", "bicycle")
    assert (config.data.buckets, config.data.short_side) == (((768, 1280),), 768)
    assert config.data.augment.expand_prob == 0.5
    assert config.train.schedule.warmup_ratio == pytest.approx(1 / 3)
    assert config.train.schedule.final_ratio == pytest.approx(0.0145)  # half a cosine at 12 of 13 epochs
    assert not config.train.schedule.scale_lr
    assert config.train.loss_scale is None
    assert config.train.optimizer.momentum == 0.91


def test_point_rend(migrated: dict[str, tuple[str, Config]]) -> None:
    config = migrated["point_rend_r50.yaml"][1]
    assert config.model.mask == PointRendConfig()
    assert (config.train.batch_size, config.train.save_every) == (4, 0.5)
    assert config.data.classes == ("person", "bicycle")
    assert config.train.schedule.warmup_iterations == 10000
    assert config.data.root == "data/coco"  # empty in the file


def test_mask_scoring(migrated: dict[str, tuple[str, Config]]) -> None:
    config = migrated["ms_rcnn_r50.yaml"][1]
    assert isinstance(config.model.mask, MaskScoringConfig)
    assert (config.model.mask.iou_weight, config.model.mask.iou_mask_logit_thresh) == (1.0, 0.0)
    assert (config.model.backbone.frozen_stages, config.model.backbone.stride_in) == (2, "1x1")
    assert config.model.roi_align.sampling_ratio == 0
    assert config.train.loss_scale is not None
    assert (config.train.save_every_steps, config.train.keep_last, config.train.keep_best) == (100, 5, 5)
    assert config.train.schedule.milestones == (8, 11)
    assert config.data.val.annotations == "/data/coco-2017/validation/labels.json"
    assert (config.name, config.device.target) == ("gpu-1_1024x1024", "GPU")


def test_faster_rcnn(migrated: dict[str, tuple[str, Config]]) -> None:
    config = migrated["faster_rcnn_r50.yaml"][1]
    assert config.model.mask is None
    assert config.train.schedule.kind == "cosine"
    assert config.train.schedule.final_ratio == pytest.approx(0.0056)  # at 20 of 21 epochs
    assert config.train.eval_every == 0
    assert config.train.init_checkpoint == ""  # a file of the zoo has to be converted first
    assert config.data.workers == 8


def test_mask_rcnn_of_maskrcnn_benchmark(tmp_path: Path) -> None:
    path = FILES / "mask_rcnn_r101_benchmark.yaml"
    migrate_file(path, out=tmp_path / "out.yaml")
    text, config = (tmp_path / "out.yaml").read_text(), load_config(tmp_path / "out.yaml")
    given = read_zoo_file(path).values
    assert len(given) == 31
    assert [name for name in given if name not in text] == []
    assert [item for item in migrate(read_zoo_file(path)).left if item.group != "settled"] == []
    recipe = load_config(PACKAGED / "zoo" / "mask_rcnn_r101.yaml")
    assert config.model.backbone.weights == "detectron2/msra_r101"
    assert config.model.mask == recipe.model.mask
    assert (config.model.rpn, config.train, config.data) == (recipe.model.rpn, recipe.train, recipe.data)


def test_the_same_command_gives_the_same_file_and_replaces_it(tmp_path: Path) -> None:
    out = tmp_path / "out.yaml"
    migrate_file(FILES / NAMES[3], out=out)
    first = out.read_text()
    migrate_file(FILES / NAMES[3], out=out)
    assert out.read_text() == first == render(migrate(read_zoo_file(FILES / NAMES[3])))
