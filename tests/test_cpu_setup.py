"""The environment that MindSpore finds when it loads, seen by a stand-in for MindSpore in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"

VARIABLES = ("ONEDNN_MAX_CPU_ISA", "GLOG_v", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY")

# Stands in for MindSpore: reports what the environment holds at the moment it is imported.
RECORDER = f"""
import json, os
print(json.dumps({{name: os.environ.get(name) for name in {VARIABLES}}}))
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder at the front of the import path that holds the stand-in."""
    (tmp_path / "mindspore").mkdir()
    (tmp_path / "mindspore" / "__init__.py").write_text(RECORDER)
    return tmp_path


def pretend_installed(packages: Path, name: str, version: str) -> None:
    folder = packages / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def run(packages: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    path = os.pathsep.join([str(packages), str(SOURCE)])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def seen_by_mindspore(packages: Path, code: str, **environment: str) -> dict[str, str | None]:
    process = run(packages, code, **environment)
    assert process.returncode == 0, process.stderr
    seen: dict[str, str | None] = json.loads(process.stdout)
    return seen


@pytest.mark.parametrize(
    ("version", "isa"),
    [
        ("2.8.0", None),  # fast without it
        ("2.9.0", "AVX2"),
        ("2.10.0", "AVX2"),  # must not be read as 2.1
        ("2.10.0rc1", "AVX2"),
        ("2.1.0", None),
        ("unknown", None),
    ],
)
def test_slow_versions_get_the_setting_before_they_load(packages: Path, version: str, isa: str | None) -> None:
    pretend_installed(packages, "mindspore", version)
    seen = seen_by_mindspore(packages, "import mindrcnn, mindspore")
    assert seen["ONEDNN_MAX_CPU_ISA"] == isa


def test_without_the_package_nothing_is_set(packages: Path) -> None:
    pretend_installed(packages, "mindspore", "2.10.0")
    assert seen_by_mindspore(packages, "import mindspore") == dict.fromkeys(VARIABLES)


@pytest.mark.parametrize("value", ["AVX512_CORE", ""])
def test_a_users_own_values_stay(packages: Path, value: str) -> None:
    pretend_installed(packages, "mindspore", "2.10.0")
    seen = seen_by_mindspore(packages, "import mindrcnn, mindspore", ONEDNN_MAX_CPU_ISA=value, GLOG_v="1")
    assert (seen["ONEDNN_MAX_CPU_ISA"], seen["GLOG_v"]) == (value, "1")


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        ({}, ("2000", None)),
        ({"GOMP_SPINCOUNT": "7"}, ("7", None)),
        ({"OMP_WAIT_POLICY": "active"}, (None, "active")),  # GOMP_SPINCOUNT would take precedence over it
    ],
)
def test_idle_threads_soon_give_up_their_core(
    packages: Path, own: dict[str, str], seen: tuple[str | None, str | None]
) -> None:
    found = seen_by_mindspore(packages, "import mindrcnn, mindspore", **own)
    assert (found["GOMP_SPINCOUNT"], found["OMP_WAIT_POLICY"]) == seen


def test_mindspore_logs_errors_only(packages: Path) -> None:
    pretend_installed(packages, "mindspore", "2.8.0")
    assert seen_by_mindspore(packages, "import mindrcnn, mindspore")["GLOG_v"] == "3"


def test_holds_when_a_deep_module_is_imported_first(packages: Path) -> None:
    """`mindrcnn.ops.boxes` imports MindSpore itself; Python runs mindrcnn/__init__.py before it."""
    pretend_installed(packages, "mindspore", "2.10.0")
    with (packages / "mindspore" / "__init__.py").open("a") as stand_in:
        stand_in.write("raise SystemExit(0)\n")  # the stand-in has no operators: end once it has reported
    assert seen_by_mindspore(packages, "import mindrcnn.ops.boxes")["ONEDNN_MAX_CPU_ISA"] == "AVX2"


def test_mindspore_imported_first_is_warned_about_once_and_still_set(packages: Path) -> None:
    pretend_installed(packages, "mindspore", "2.9.0")
    code = "import mindspore, mindrcnn, mindrcnn.errors, os\nassert os.environ['ONEDNN_MAX_CPU_ISA'] == 'AVX2'"
    process = run(packages, code)
    assert process.returncode == 0, process.stderr
    assert process.stderr.count("RuntimeWarning: mindspore 2.9.0 was imported before mindrcnn") == 1
    assert "Import mindrcnn before mindspore" in process.stderr


@pytest.mark.parametrize(("version", "environment"), [("2.8.0", {}), ("2.9.0", {"ONEDNN_MAX_CPU_ISA": "AVX2"})])
def test_no_warning_where_nothing_is_lost(packages: Path, version: str, environment: dict[str, str]) -> None:
    pretend_installed(packages, "mindspore", version)
    process = run(packages, "import mindspore, mindrcnn", **environment)
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.parametrize(("version", "accepted"), [("1.26.4", True), ("2.0.0", False), ("2.3.1", False)])
def test_numpy_2_is_refused_with_the_remedy(packages: Path, version: str, accepted: bool) -> None:
    pretend_installed(packages, "numpy", version)
    process = run(packages, "import mindrcnn")
    assert (process.returncode == 0) == accepted
    if not accepted:
        message = process.stderr.splitlines()[-1]
        assert message.startswith("ImportError: mindrcnn: wanted NumPy below 2")
        assert f"got NumPy {version}" in message
        assert "pip install 'numpy<2'" in message
