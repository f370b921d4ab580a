"""Names in the place of checkpoints: downloaded from a server on this machine, converted and kept."""

import importlib.util
import json
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from published_files import serving, write_table, write_torch

from mindrcnn import obtain
from mindrcnn.build.trained_model import open_checkpoint
from mindrcnn.config.loader import parse_config
from mindrcnn.config.run import Config
from mindrcnn.convert import conversion
from mindrcnn.convert.importer import Options
from mindrcnn.errors import InputError
from mindrcnn.models.layers import NORM_EPS
from mindrcnn.obtain import checkpoint_file, output_folder, with_local_checkpoint
from mindrcnn.predictor import NumpyPredictor
from mindrcnn.programs import infer
from mindrcnn.published.table import PublishedModel, find_published

State = dict[str, np.ndarray]
NAME = "torchvision/mask_rcnn_r50_fpn"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINDRCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def converted(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were converted, by a stand-in that writes an empty file."""
    names: list[str] = []

    def write(model: PublishedModel, out: Path) -> None:
        names.append(model.name)
        out.touch()

    monkeypatch.setattr(conversion, "convert_published", write)
    return names


def test_a_name_is_converted_once_and_kept(converted: list[str], cache: Path) -> None:
    first = checkpoint_file(Path(NAME))
    assert checkpoint_file(NAME) == first
    assert converted == [NAME]
    assert first.parent == cache / "models" / "torchvision"
    assert first.name.startswith("mask_rcnn_r50_fpn-")


def test_several_threads_convert_once(converted: list[str]) -> None:
    threads = [threading.Thread(target=checkpoint_file, args=(NAME,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert converted == [NAME]


@pytest.mark.parametrize(
    ("field", "value"), [("url", "https://elsewhere/a.pth"), ("norm_eps", 1.0), ("digest", "md5:0")]
)
def test_another_source_is_another_checkpoint(
    converted: list[str], monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    row = find_published(NAME)
    assert row is not None
    first = checkpoint_file(NAME)
    monkeypatch.setattr(obtain, "find_published", lambda _: replace(row, **{field: value}))  # type: ignore[arg-type]
    assert checkpoint_file(NAME) != first


def test_files_and_paths_take_precedence(converted: list[str], tmp_path: Path) -> None:
    own = tmp_path / NAME
    own.parent.mkdir()
    own.touch()
    assert checkpoint_file(NAME) == Path(NAME)
    assert checkpoint_file("runs/first/best.ckpt") == Path("runs/first/best.ckpt")
    assert converted == []


def test_wrong_names(converted: list[str]) -> None:
    with pytest.raises(InputError, match="no published model of this name; nearest: torchvision/mask_rcnn_r50_fpn"):
        checkpoint_file("torchvision/mask_rcnn_r50")
    with pytest.raises(InputError, match=r"wanted a detector, got a backbone, which model\.backbone\.weights takes"):
        checkpoint_file("torchvision/resnet50_v2")
    assert converted == []


def test_the_initial_checkpoint_may_be_a_name(converted: list[str]) -> None:
    config = parse_config(f"train: {{init_checkpoint: {NAME}}}", "test")
    assert with_local_checkpoint(config).train.init_checkpoint == str(checkpoint_file(NAME))
    assert with_local_checkpoint(Config()) == Config()


def test_results_are_not_written_into_the_cache(converted: list[str]) -> None:
    assert output_folder(Path(NAME), checkpoint_file(NAME), "val") == Path("evaluated") / NAME
    assert output_folder(Path("a/b.ckpt"), Path("a/b.ckpt"), "val") == Path("a/eval")
    assert output_folder(Path("a/b.ckpt"), Path("a/b.ckpt"), "test") == Path("a/eval_test")


@pytest.fixture
def served(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """served(name, file) puts a file of the folder `files` under the address of a row, without its digest."""
    (tmp_path / "files").mkdir()
    with serving(tmp_path / "files") as address:

        def put(name: str, file: str) -> None:
            row = find_published(name)
            assert row is not None
            fields: dict[str, object] = {"url": f"{address}/{file}", "style": row.style or '""'}
            fields |= {} if row.norm_eps is None else {"norm_eps": row.norm_eps}
            table = write_table(tmp_path / "table.yaml", {name: fields | {"overrides": json.dumps(row.overrides)}})
            monkeypatch.setenv("MINDRCNN_MODELS", str(table))

        yield put


@pytest.fixture
def rebuilt(golden: Path) -> Callable[[str], State]:
    """Case name -> the reference's state dict."""
    spec = importlib.util.spec_from_file_location("fill", golden / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)

    def build(case: str) -> State:
        meta = json.loads((golden / f"{case}.json").read_text())
        values = {name: fill.fill(name, shape, meta["gains"], meta["seed"]) for name, shape in meta["shapes"].items()}
        return {name: value.reshape(meta["shapes"][name]) for name, value in values.items()}

    return build


def published_names(state: State) -> OrderedDict[str, np.ndarray]:
    """torchvision's names of 2018, which its published files still have."""
    older = OrderedDict()
    for name, value in state.items():
        short = name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        for level in range(4):
            short = short.replace(f"_blocks.{level}.0.", f"_blocks.{level}.")
            short = short.replace(f"roi_heads.mask_head.{level}.0.", f"roi_heads.mask_head.mask_fcn{level + 1}.")
        older[short] = value
    return older


def test_torchvisions_detector_from_the_server(
    served: Callable[[str, str], None], rebuilt: Callable[[str], State], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # which fails to import
    state = rebuilt("tv_mask_rcnn_r50")
    write_torch(tmp_path / "files" / "maskrcnn.pth", published_names(state), legacy=True)
    served(NAME, "maskrcnn.pth")
    checkpoint, config = open_checkpoint(checkpoint_file(NAME), [])
    assert config.name == "torchvision_mask_rcnn_r50_fpn"
    assert len(checkpoint.info.classes) == 80
    norm = "backbone.body.layer1.0.bn2"
    ours = {leaf: checkpoint.parameters[f"backbone.stage2.0.conv2.norm.{leaf}"].asnumpy() for leaf in LEAVES}
    theirs = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"].astype(np.float64))  # its epsilon is 0
    np.testing.assert_allclose(ours["gamma"] / np.sqrt(ours["moving_variance"] + NORM_EPS), theirs, rtol=1e-6)
    assert (tmp_path / "cache" / "models").exists()
    monkeypatch.setattr(NumpyPredictor, "__call__", one_person)  # the network is built, and not compiled
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save("photo.jpg")
    assert infer.main([NAME, "photo.jpg"]) == 0
    (image,) = json.loads(Path("inferred/predictions.json").read_text())["images"]
    assert [found["class"]["name"] for found in image["predictions"]] == ["person"]


def one_person(self: object, images: np.ndarray, image_sizes: np.ndarray) -> tuple[np.ndarray, ...]:
    """What a detector with a mask branch returns for one image."""
    scores, masks = np.full((1, 1), 0.9, np.float32), np.ones((1, 1, 28, 28), np.float32)
    boxes = np.array([[[80, 80, 400, 300]]], np.float32)
    return boxes, scores, np.ones((1, 1), np.int32), np.ones((1, 1), bool), masks, scores


LEAVES = ("gamma", "moving_variance")


def test_what_a_row_says_about_its_weights(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, tuple[str, Options]] = {}
    monkeypatch.setattr(conversion, "fetch_weights", lambda url: Path(url))
    monkeypatch.setattr(conversion, "read_weights", lambda path: path)
    monkeypatch.setattr(
        conversion, "_convert", lambda file, outputs, library, options: given.update({str(file): (library, options)})
    )
    for name in ("mmdet/ms_rcnn_r50_caffe_fpn_1x", "detectron2/mask_rcnn_r50_fpn_noaug_1x"):
        row = find_published(name)
        assert row is not None
        checkpoint_file(name)
    (caffe, d1) = given.values()
    assert caffe == ("mmdet", Options(style="caffe", overrides=("name=mmdet_ms_rcnn_r50_caffe_fpn_1x",)))
    assert d1[1].overrides[0] == "model.roi_align.aligned=false"
    conversion.convert_in(
        "mmdet/ms_rcnn_r50_caffe_fpn_1x", Path("a.ckpt"), library="auto", options=Options(style="pytorch")
    )
    assert given["mmdet/ms_rcnn_r50_caffe_fpn_1x"] == ("mmdet", Options(style="pytorch"))


def test_no_network_and_no_file(served: Callable[[str, str], None], tmp_path: Path) -> None:
    served(NAME, "absent.pth")
    with pytest.raises(
        InputError, match=r"the server answered 404 .*\. Offline, download it elsewhere and put it there"
    ):
        checkpoint_file(NAME)
    assert not list((tmp_path / "cache").rglob("*.ckpt"))
