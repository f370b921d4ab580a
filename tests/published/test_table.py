"""The table of published checkpoints: its rows, its program and its page."""

import json
import re
from pathlib import Path
from urllib.parse import urlparse

import pytest

from mindrcnn.config.loader import parse_config
from mindrcnn.errors import InputError
from mindrcnn.programs import convert, models
from mindrcnn.published.page import render_page, select
from mindrcnn.published.table import TABLE, PublishedModel, find_published, published_models, require_known

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = list(published_models().values())
NAMED_HASH = re.compile(r"[-_]([0-9a-f]{6,8})\.(pth|pkl)$")  # in file names of torchvision, detectron2 and mmdetection


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_complete_and_agrees_with_its_address(row: PublishedModel) -> None:
    address = urlparse(row.url)
    assert address.scheme == "https"
    assert address.netloc
    assert row.library in convert.SOURCES
    assert row.read
    for ap in (row.box_ap, row.mask_ap):
        assert ap is None or 15 < ap < 50
    assert row.kind == "detector" or (row.box_ap, row.mask_ap) == (None, None)
    assert re.fullmatch(r"(sha256:[0-9a-f]{8,64}|md5:[0-9a-f]{6}|)", row.digest)
    in_name = NAMED_HASH.search(row.url)
    if in_name and row.digest:
        assert row.digest.endswith(f":{in_name[1]}")


def test_the_overrides_are_keys_and_values_that_exist() -> None:
    for overrides in {row.overrides for row in ROWS}:
        parse_config("name: any", "overrides", overrides)


def test_every_name_and_address_stands_once() -> None:
    names = re.findall(r"^  ([\w-]+/[\w-]+):$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(names) == len(set(names)) == len(ROWS)
    assert len({row.url for row in ROWS}) == len(ROWS)


def test_the_libraries_and_models_that_are_promised_are_there() -> None:
    counts = {library: sum(row.library == library for row in ROWS) for library in convert.SOURCES}
    assert counts == {
        **{"auto": 0, "torchvision": 8, "detectron2": 19, "mmdet": 28},
        **{"maskrcnn-benchmark": 4, "mindcv": 3, "mindspore-zoo": 7},
    }


def test_the_page_is_that_of_the_table() -> None:
    page = REPOSITORY / "docs" / "models.md"
    assert page.read_text(encoding="utf-8") == render_page(), "run: mindrcnn models --page > docs/models.md"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["torchvision/*", "mask"], ["torchvision/mask_rcnn_r50_fpn", "torchvision/mask_rcnn_r50_fpn_v2"]),
        (["mindcv"], ["mindcv/resnet50", "mindcv/resnet101", "mindcv/mobilenet_v1_100"]),
        (["--detectors", "mindcv"], []),
        (["--backbones", "msra"], ["detectron2/msra_r50", "detectron2/msra_r101"]),
    ],
)
def test_the_program_lists_what_is_asked_for(
    words: list[str], names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert models.main([*words, "--json"]) == (0 if names else 2)
    printed = capsys.readouterr().out
    assert [row["name"] for row in json.loads(printed or "[]")] == names
    assert models.main(words) == (0 if names else 2)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == names


def test_a_row_is_found_by_name_and_address() -> None:
    row = find_published("detectron2/mask_rcnn_r50_fpn_3x")
    assert row is not None
    assert find_published(row.url) == row
    assert find_published("detectron2/mask_rcnn_r50_fpn_4x") is None
    assert [row.name for row in select(["mask", "3x"])] == [row.name for row in ROWS if {"mask", "3x"} <= words(row)]


def words(row: PublishedModel) -> set[str]:
    return {word for word in ("mask", "3x") if word in row.name}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision/maskrcnn_resnet50_fpn", "nearest: torchvision/mask_rcnn_r50_fpn"),
        ("detectron2/mask_rcnn_R_50_FPN_3x", "nearest: detectron2/mask_rcnn_r50_fpn_3x"),
        ("mmdet/0000", "`mindrcnn models` lists them"),
    ],
)
def test_a_mistyped_name_offers_the_nearest(name: str, message: str) -> None:
    with pytest.raises(InputError, match=f"no published model of this name; {message}"):
        require_known(name)


@pytest.mark.parametrize(
    "path", ["runs/first/best.ckpt", "mmdet/mine.pth", "detectron2", "best.ckpt", "detectron2/a/b"]
)
def test_a_path_is_not_taken_for_a_name(path: str) -> None:
    require_known(path)
