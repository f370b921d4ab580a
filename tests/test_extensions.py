"""Registration by other packages, and what the configuration then takes."""

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mindspore as ms
import numpy as np
import pytest
from small_detector import inputs, make_batch

from mindrcnn import extensions
from mindrcnn.build.detector import build_detector
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.config.loader import dump_config, load_config, parse_config
from mindrcnn.config.model import MaskConfig
from mindrcnn.data.formats.registry import FORMATS
from mindrcnn.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[1]
OUTSIDE = REPOSITORY / "tests/outside_package"
TINY = "model: {backbone: {name: tiny_net, width: 4}, mask: {type: plain_mask, side: 6}}"


@pytest.fixture(autouse=True)
def only_ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undoes what a test registers and imports."""
    tables = (extensions.BACKBONES, extensions.MASK_BRANCHES, FORMATS)
    before = [dict(table) for table in tables]
    monkeypatch.setattr(extensions, "_loaded", set())
    monkeypatch.delenv(extensions.VARIABLE, raising=False)
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()  # type: ignore[attr-defined]
        table.update(entries)  # type: ignore[attr-defined]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tiny_parts", "broken_parts")]:
        del sys.modules[name]


@pytest.fixture
def tiny_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package on Python's path and named in the environment."""
    monkeypatch.syspath_prepend(str(OUTSIDE))
    monkeypatch.setenv(extensions.VARIABLE, " tiny_parts ,")


@dataclass(frozen=True)
class Taken(MaskConfig):
    type: Literal["mask_rcnn"] = "mask_rcnn"


def error_of(text: str, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_config(text, "x.yaml", overrides)
    return str(caught.value)


@pytest.mark.usefixtures("tiny_parts")
def test_registered_parts_have_keys_of_their_own() -> None:
    config = parse_config(TINY, "x.yaml", ["model.backbone.width=5"])
    assert (config.model.backbone.name, vars(config.model.backbone)["width"]) == ("tiny_net", 5)
    assert vars(config.model.mask)["side"] == 6
    assert parse_config(dump_config(config), "dump") == config
    assert error_of(TINY, "model.backbone.width=0") == (
        "command line: model.backbone.width: wanted whole number at least 1, got 0 (whole number)"
    )
    assert not error_of(TINY, "model.backbone.norm=batch").endswith("model.backbone.norm")
    assert error_of(TINY, "model.backbone.norm=batch").startswith(
        "command line: unknown key model.backbone.norm, nearest valid key: model."
    )


@pytest.mark.usefixtures("tiny_parts")
def test_an_unknown_name_lists_registered_ones_too() -> None:
    needed = "(names from other packages need the package installed, or its module named in MINDRCNN_EXTENSIONS)"
    assert error_of("model: {backbone: {name: net}}") == (
        "x.yaml, line 1: model.backbone.name: wanted one of resnet50, resnet101, mobilenet_v1, tiny_net, "
        f"got 'net' (string) {needed}"
    )
    assert error_of("model: {mask: {type: m}}") == (
        "x.yaml, line 1: model.mask.type: wanted one of mask_rcnn, ms_rcnn, point_rend, plain_mask, "
        f"got 'm' (string) {needed}"
    )
    assert error_of("data: {val: {format: kitti}}") == (
        "x.yaml, line 1: data.val.format: wanted one of auto, coco, txt, mindrecord, lvis, yolo, voc, labelme, via, "
        f"cityscapes, csv, got 'kitti' (string) {needed}"
    )


@pytest.mark.usefixtures("tiny_parts")
def test_a_registered_format_answers_for_itself() -> None:
    assert error_of("data: {train: {name: a, format: csv}}").endswith(
        "data.train.annotations: wanted the annotation file with format csv, got ''"
    )
    text = "data: {train: {format: csv, annotations: a.csv}}\nmodel: {mask: {type: mask_rcnn}}"
    assert parse_config(text, "x.yaml").data.train.format == "csv"


@pytest.mark.usefixtures("tiny_parts")
def test_another_backbone_replaces_the_keys_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("model: {backbone: {name: resnet50, norm: batch, weights: a.pth}}\n")
    (tmp_path / "tiny.yaml").write_text("base: base.yaml\nname: tiny_net\nmodel: {backbone: {name: tiny_net}}\n")
    assert vars(load_config(tmp_path / "tiny.yaml").model.backbone) == {"name": "tiny_net", "width": 16}
    back = load_config(tmp_path / "tiny.yaml", ["model.backbone.name=resnet101"]).model.backbone
    assert (back.name, back.norm, back.weights) == ("resnet101", "frozen", "")
    (tmp_path / "ours.yaml").write_text("base: base.yaml\nmodel: {backbone: {name: resnet101}}\n")
    ours = load_config(tmp_path / "ours.yaml").model.backbone
    assert (ours.norm, ours.weights) == ("batch", "a.pth")


@pytest.mark.usefixtures("tiny_parts")
def test_a_detector_of_registered_parts_has_losses_and_predictions() -> None:
    ms.set_seed(1)
    small = "{fpn: {out_channels: 8}, box: {fc_channels: 8, resolution: 3, score_thresh: 0, detections_per_image: 4}"
    proposals = "rpn: {pre_nms_topk: {train: 20, test: 20}, post_nms_topk: {train: 20, test: 20}}}"
    config = parse_config(f"model: {small}, {proposals}", "x.yaml", [TINY.replace("model: ", "model=")])
    detector = build_detector(config.model, 3)
    batch = make_batch()
    losses = detector.losses(*inputs(detector, batch))
    assert detector.loss_names[-1] == "loss_mask"
    assert np.isfinite([float(loss) for loss in losses]).all()
    images, sizes = (ms.Tensor(batch[name]) for name in ("images", "image_sizes"))
    *_, masks, scores = detector.predict(images, sizes)
    assert (masks.shape, scores.shape) == ((2, 4, 6, 6), (2, 4))


def test_a_configuration_cannot_name_code_to_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a checkpoint from somebody else holds one: the module could be imported, but nobody asked for it."""
    monkeypatch.syspath_prepend(str(OUTSIDE))
    assert "wanted one of resnet50, resnet101, mobilenet_v1, got 'tiny_net'" in error_of(TINY)
    assert error_of("extensions: [tiny_parts]").startswith("x.yaml, line 1: unknown key extensions")
    assert error_of("model: {backbone: {name: tiny_parts.backbone}}")
    assert "tiny_parts" not in sys.modules


def install(folder: Path, entry: str) -> None:
    """Writes the metadata of an installed package with one entry point."""
    metadata = folder / "some_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: some-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[mindrcnn.extensions]\nparts = {entry}\n")
    importlib.invalidate_caches()


def test_entry_points_are_loaded_modules_and_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(OUTSIDE))
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "tiny_parts")
    assert parse_config(TINY, "x.yaml").model.backbone.name == "tiny_net"
    (tmp_path / "broken_parts.py").write_text("calls = []\ndef register():\n    calls.append(1)\n")
    (tmp_path / "some_package-1.0.dist-info/entry_points.txt").write_text(
        "[mindrcnn.extensions]\nother = broken_parts:register\n"
    )
    parse_config("{}", "x.yaml")
    parse_config("{}", "x.yaml")
    assert sys.modules["broken_parts"].calls == [1]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        (
            "from mindrcnn.extensions import register_backbone\nregister_backbone(int, int)",
            'TypeError: int: wanted a dataclass with a field `name: Literal["..."]`',
        ),
    ],
)
def test_a_broken_extension_is_one_message(
    code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_parts.py").write_text(code)
    install(tmp_path, "broken_parts")
    wanted = "wanted an extension of mindrcnn that can be loaded, got"
    assert error_of("{}") == f"the installed package some-package: {wanted} {message}"
    (tmp_path / "some_package-1.0.dist-info/entry_points.txt").unlink()
    monkeypatch.setenv(extensions.VARIABLE, "broken_parts")
    assert error_of("{}") == f"MINDRCNN_EXTENSIONS: the module broken_parts: {wanted} {message}"


@pytest.mark.usefixtures("tiny_parts")
def test_a_name_belongs_to_one_class() -> None:
    parse_config("{}", "x.yaml")
    tiny = sys.modules["tiny_parts.backbone"]
    extensions.register_backbone(tiny.TinyNetConfig, tiny.TinyNet)  # again, as a reload does

    class Csv:
        name = "csv"

    with pytest.raises(ValueError, match="data format csv: wanted a name that is free, got that of CsvFormat"):
        extensions.register_format(Csv())  # type: ignore[arg-type]
    extensions.register_mask_branch(Taken, lambda config, setup: None)
    assert "type mask_rcnn: wanted one configuration class, got MaskRCNNConfig and Taken" in error_of(TINY)


def test_a_backbone_of_other_strides_is_refused() -> None:
    cell = type("Cell", (), {"out_channels": (1, 2, 3, 4), "strides": (8, 16, 32, 64)})
    extensions.BACKBONES["resnet50"] = extensions.Backbone(int, lambda config: cell)
    with pytest.raises(InputError, match=r"strides \(4, 8, 16, 32\), got resnet50 with out_channels \(1, 2, 3, 4\)"):
        build_detector(parse_config("{}", "x.yaml").model, 3)


def test_a_configuration_made_in_python_knows_the_formats_too() -> None:
    split = SplitConfig(format="nothing", annotations="a")
    with pytest.raises(InputError, match=r"wanted one of auto, coco, txt, mindrecord, lvis, yolo, .*, got 'nothing'"):
        DataConfig(root="x", train=split)


def test_the_document_shows_the_example_package() -> None:
    document = (REPOSITORY / "docs/extending.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"`(tests/outside_package/\S+)`:\n\n```\w+\n(.*?)```", document, re.DOTALL))
    files = [*OUTSIDE.rglob("*.py"), OUTSIDE / "pyproject.toml"]
    assert set(shown) == {str(path.relative_to(REPOSITORY)) for path in files}
    for name, text in shown.items():
        assert text == (REPOSITORY / name).read_text(encoding="utf-8"), name
