"""Configurations that come with the package: found by name where the disk has no such file."""

from pathlib import Path

import pytest

from mindrcnn.config import packaged
from mindrcnn.config.loader import load_config
from mindrcnn.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "mask_rcnn_r50_fpn_1x_coco.yaml"
CONFIGS = sorted(path.relative_to(REPOSITORY) for path in (REPOSITORY / "configs").rglob("*.yaml"))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [str(path) for path in CONFIGS if "_base_" not in path.parts])
def test_every_configuration_of_the_repository_is_found_anywhere(elsewhere: Path, name: str) -> None:
    expected = load_config(REPOSITORY / name)
    assert load_config(name) == expected
    assert load_config(name.removeprefix("configs/")) == expected
    assert load_config(f"./{name}") == expected


def test_a_file_on_disk_takes_precedence(elsewhere: Path) -> None:
    (elsewhere / "configs").mkdir()
    (elsewhere / "configs" / NAME).write_text("name: mine\n")
    assert load_config(f"configs/{NAME}").name == "mine"
    assert load_config(NAME).name == "mask_rcnn_r50_fpn_1x_coco"


@pytest.mark.parametrize("base", [f"configs/{NAME}", NAME, "configs/_base_/mask_rcnn.yaml"])
def test_a_base_is_looked_up_in_the_package(elsewhere: Path, base: str) -> None:
    (elsewhere / "mine.yaml").write_text(f"base: {base}\nname: mine\n")
    config = load_config("mine.yaml")
    assert config.name == "mine"
    assert config.model.mask is not None


def test_a_base_beside_the_file_takes_precedence(elsewhere: Path) -> None:
    (elsewhere / NAME).write_text("train: {batch_size: 7}\n")
    (elsewhere / "mine.yaml").write_text(f"base: {NAME}\n")
    assert load_config("mine.yaml").train.batch_size == 7


@pytest.mark.parametrize("name", [f"../configs/{NAME}", "configs", "configs/demo", ""])
def test_other_paths_are_not_looked_up(name: str) -> None:
    assert packaged.find_packaged(name) is None


def test_an_absolute_path_is_not_looked_up(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    assert packaged.find_packaged(str(tmp_path / NAME)) is None


def test_a_missing_file_has_near_names(elsewhere: Path) -> None:
    with pytest.raises(InputError) as error:
        load_config("configs/mask_rcnn_r50_1x_coco.yaml")
    message = str(error.value)
    assert message.startswith("configs/mask_rcnn_r50_1x_coco.yaml: no such configuration file, neither on disk nor in ")
    assert f"; nearest: configs/{NAME}, " in message
    assert "_base_" not in message
    (elsewhere / "my_data.yaml").touch()
    with pytest.raises(InputError, match=r"my_dta\.yaml: no such .*; nearest: my_data\.yaml"):
        load_config("my_dta.yaml")
    with pytest.raises(InputError, match=r"in the package$"):
        load_config("qqqqqq")


@pytest.mark.parametrize("name", ["pre.ckpt", "model_final.pkl", "folder/weights.pth"])
def test_weights_in_the_place_of_a_configuration(elsewhere: Path, name: str) -> None:
    with pytest.raises(
        InputError, match=rf"{name}: wanted a config.*: mindrcnn train CONFIG train.init_checkpoint={name}"
    ):
        load_config(name)


def test_a_missing_base_has_near_names(elsewhere: Path) -> None:
    (elsewhere / "mine.yaml").write_text("name: a\nbase: configs/mask_rcnn_r50.yaml\n")
    with pytest.raises(InputError, match=r"mine\.yaml, line 2: base: no such file: .*; nearest: .*mask_rcnn_r50\.yaml"):
        load_config("mine.yaml")


def test_the_installed_folder_takes_precedence_over_a_clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lib" / "mindrcnn"
    (package / "configs").mkdir(parents=True)
    monkeypatch.setattr(packaged, "__file__", str(package / "config" / "packaged.py"))
    assert packaged.packaged_folder() == package / "configs"
