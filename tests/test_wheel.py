"""The contents of a wheel, and its use outside the repository."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[1]
FIRST_SETUPTOOLS = 77  # as pyproject.toml requires
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "configs", "src")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without network from a copy, because setuptools leaves its build/ and egg-info beside the sources."""
    present = importlib.metadata.version("setuptools")
    if int(present.split(".")[0]) < FIRST_SETUPTOOLS:
        pytest.skip(f"wanted setuptools {FIRST_SETUPTOOLS} or newer, got {present}: run scripts/setup_env.sh")
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, copy / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(out)]
    process = subprocess.run([*pip, str(copy)], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    (built,) = out.glob("*.whl")
    return built


def test_it_holds_every_module_configuration_and_kernel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("mindrcnn/")}
        entry_points = next(archive.read(name) for name in archive.namelist() if name.endswith("entry_points.txt"))
    source = REPOSITORY / "src"
    package = {
        path
        for suffix in ("py", "cc", "h", "typed", "yaml", "html", "css", "js")
        for path in source.rglob(f"*.{suffix}")
    }
    expected = {str(path.relative_to(source)) for path in package}
    expected |= {f"mindrcnn/{path.relative_to(REPOSITORY)}" for path in (REPOSITORY / "configs").rglob("*.yaml")}
    assert {"mindrcnn/py.typed", "mindrcnn/__main__.py", "mindrcnn/configs/_base_/mask_rcnn.yaml"} <= expected
    assert names == expected
    assert entry_points.decode().split() == ["[console_scripts]", "mindrcnn", "=", "mindrcnn.__main__:main"]


def test_it_works_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    installed, work = tmp_path / "lib", tmp_path / "work"
    work.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    (work / "mine.yaml").write_text("base: configs/faster_rcnn_r50_fpn_1x_coco.yaml\ndata: {root: nowhere}\n")
    for config in ("mine.yaml", "configs/mask_rcnn_r50_fpn_1x_coco.yaml"):
        call = [sys.executable, "-m", "mindrcnn", "doctor", config, "data.root=nowhere"]
        environment = os.environ | {"PYTHONPATH": str(installed)}
        process = subprocess.run(call, cwd=work, env=environment, capture_output=True, text=True, timeout=120)
        # as far as the data: the configuration was found
        assert re.match(r"error: nowhere: wanted the folder of the data set", process.stderr), process.stderr
        assert process.returncode == 2


def test_the_requirements_without_mindspore_are_complete() -> None:
    def read(name: str) -> dict[str, str]:
        lines = (REPOSITORY / name).read_text().splitlines()
        parts = [re.match(r"([\w-]+)(.*)", line) for line in lines if line and not line.startswith("#")]
        return {part[1].lower(): part[2] for part in parts if part}

    listed, needed = read("requirements-onnx.txt"), set[str]()

    def add(name: str) -> None:
        if name in needed:
            return
        needed.add(name)
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                add(re.sub(r"[-_.]+", "-", requirement.name).lower())

    own = re.search(
        r"^dependencies = \[(.*?)^\]", (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL
    )
    assert own is not None
    for name in {*re.findall(r'"([\w-]+)', own[1]), "onnxruntime"} - {"mindspore"}:
        add(name)
    assert len(needed) > 10
    assert needed - set(listed) == set()
    pinned = read("requirements.txt") | read("requirements-dev.txt")
    assert {name: version for name, version in listed.items() if "==" in version}.items() <= pinned.items()
