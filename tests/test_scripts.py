"""The shell scripts, run on a copy of the repository with a stand-in for Python: no network, nothing installed."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = ("scripts/setup_env.sh", "scripts/quickstart.sh", "scripts/test.sh", "scripts/build_native.sh", ".ci/run")
BASH = shutil.which("bash") or "bash"

# Every call is logged. `-m venv` puts a copy of this script where the environment's Python would be.
FAKE_PYTHON = """#!BASH
printf '%s\\n' "$*" >>"$FAKE_LOG"
case "$*" in
    *version_info*) exit "${FAKE_UNSUPPORTED:-0}" ;;
    *ensurepip*) exit "${FAKE_NO_ENSUREPIP:-0}" ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip install"*) exit "${FAKE_PIP_STATUS:-0}" ;;
    "-m mindrcnn demo "*) mkdir -p "$4/annotations" && touch "$4/annotations/instances_val.json" ;;
    "train.py "*) exit "${FAKE_TRAIN_STATUS:-0}" ;;
    "eval.py "*)  # like the program, it replaces no file of others
        [ ! -e "$4/tables.txt" ] && mkdir -p "$4" && echo "Average Precision of bbox and segm" >"$4/tables.txt" ;;
    "-m ruff check"*) exit "${FAKE_RUFF_STATUS:-0}" ;;
esac
""".replace("BASH", BASH)


class Sandbox:
    """A copy of the scripts and requirements in a folder whose name has a space, with a fake Python on PATH."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.log = folder / "calls.log"
        self.bin = folder / "bin"
        for name in (*SCRIPTS, "scripts/allocator.sh", "requirements.txt", "requirements-dev.txt"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, self.root / name)
        self.bin.mkdir()
        (self.bin / "python3.11").write_text(FAKE_PYTHON)
        (self.bin / "python3.11").chmod(0o755)

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        inherited = {key: value for key, value in os.environ.items() if key != "MINDSPORE_VERSION"}
        path = os.pathsep.join([str(self.bin), os.environ["PATH"]])
        return subprocess.run(
            [BASH, str(self.root / script), *arguments],
            cwd=self.bin,  # a script has to find its repository from anywhere
            env={**inherited, "PATH": path, "FAKE_LOG": str(self.log), **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )

    def calls(self, start: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith(start)]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS)
def test_is_executable_bash_that_parses(script: str) -> None:
    path = REPOSITORY / script
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    assert os.access(path, os.X_OK)
    checked = subprocess.run([BASH, "-n", str(path)], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS[:4])
def test_help_does_nothing_but_explain(sandbox: Sandbox, script: str) -> None:
    process = sandbox.run(script, "--help")
    assert process.returncode == 0
    assert process.stdout.startswith(f"usage: bash {script}")
    assert sandbox.calls("") == []


@pytest.mark.parametrize("script", ["scripts/setup_env.sh", "scripts/quickstart.sh", "scripts/build_native.sh"])
def test_an_unknown_argument_is_named(sandbox: Sandbox, script: str) -> None:
    process = sandbox.run(script, "--frist")
    assert process.returncode == 2
    assert "unknown argument: --frist" in process.stderr
    assert sandbox.calls("") == []


# ------------------------------------------------------------------------------------------------------ setup_env.sh


def test_environment_is_made_once(sandbox: Sandbox) -> None:
    python = sandbox.root / ".venv" / "bin" / "python"

    first = sandbox.run("scripts/setup_env.sh")
    assert (first.returncode, first.stdout) == (0, f"{python}\n"), first.stderr
    assert sandbox.calls("-m venv") == [f"-m venv {sandbox.root}/.venv"]
    requirements, package = sandbox.calls("-m pip install")
    assert requirements.endswith("-r " + str(sandbox.root / ".venv" / "requirements-wanted.txt"))
    assert package.endswith(f"--no-deps --editable {sandbox.root}")

    second = sandbox.run("scripts/setup_env.sh")
    assert (second.returncode, second.stdout, second.stderr) == (0, f"{python}\n", "")
    assert sandbox.calls("") == []


def test_installs_no_developers_tools_unless_asked(sandbox: Sandbox) -> None:
    sandbox.run("scripts/setup_env.sh")
    venv = sandbox.root / ".venv"
    assert (venv / "requirements-wanted.txt").read_text() == (REPOSITORY / "requirements.txt").read_text()
    assert len(sandbox.calls("-m pip install")) == 2
    assert sandbox.run("scripts/setup_env.sh", "--dev").returncode == 0
    (tools,) = sandbox.calls("-m pip install")
    assert tools.endswith(f"-r {venv}/requirements-dev-wanted.txt -c {venv}/requirements-wanted.txt")
    assert (venv / "requirements-dev-wanted.txt").read_text() == (REPOSITORY / "requirements-dev.txt").read_text()
    for arguments in ([], ["--dev"]):
        sandbox.run("scripts/setup_env.sh", *arguments)
        assert sandbox.calls("-m pip install") == []


@pytest.mark.parametrize(("name", "calls"), [("requirements", 2), ("requirements-dev", 1)])
def test_a_changed_requirement_is_installed_into_the_same_environment(sandbox: Sandbox, name: str, calls: int) -> None:
    sandbox.run("scripts/setup_env.sh", "--dev")
    with (sandbox.root / f"{name}.txt").open("a") as requirements:
        requirements.write("another==1.0\n")
    assert sandbox.run("scripts/setup_env.sh", "--dev").returncode == 0
    assert sandbox.calls("-m venv") == []
    assert len(sandbox.calls("-m pip install")) == calls
    assert "another==1.0" in (sandbox.root / ".venv" / f"{name}-wanted.txt").read_text()


def test_a_moved_clone_is_installed_again(sandbox: Sandbox) -> None:
    sandbox.run("scripts/setup_env.sh")
    sandbox.root = sandbox.root.rename(sandbox.root.with_name("moved clone"))
    assert sandbox.run("scripts/setup_env.sh").returncode == 0
    assert sandbox.calls("-m pip install")[1].endswith(f"--editable {sandbox.root}")


def test_a_failed_installation_is_reported_and_tried_again(sandbox: Sandbox) -> None:
    failed = sandbox.run("scripts/setup_env.sh", FAKE_PIP_STATUS="1")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert "pip could not install the requirements" in failed.stderr
    assert sandbox.run("scripts/setup_env.sh").returncode == 0
    assert len(sandbox.calls("-m pip install")) == 2


def test_another_mindspore_gets_an_environment_of_its_own(sandbox: Sandbox) -> None:
    sandbox.run("scripts/setup_env.sh")
    process = sandbox.run("scripts/setup_env.sh", MINDSPORE_VERSION="2.10.0")
    venv = sandbox.root / ".venv-ms2.10.0"
    assert process.stdout == f"{venv}/bin/python\n"
    wanted = (venv / "requirements-wanted.txt").read_text().splitlines()
    assert [line for line in wanted if line.startswith("mindspore")] == ["mindspore==2.10.0"]
    assert "numpy==1.26.4" in wanted
    sandbox.run("scripts/setup_env.sh")
    assert sandbox.calls("") == []


def test_without_ensurepip_the_package_to_install_is_named(sandbox: Sandbox) -> None:
    process = sandbox.run("scripts/setup_env.sh", FAKE_NO_ENSUREPIP="1")
    assert process.returncode == 2
    assert "apt-get install python3-venv" in process.stderr
    assert not (sandbox.root / ".venv").exists()


def test_without_a_supported_python_the_wanted_versions_are_named(sandbox: Sandbox) -> None:
    for name in ("python3.12", "python3.10", "python3"):
        shutil.copy(sandbox.bin / "python3.11", sandbox.bin / name)
    process = sandbox.run("scripts/setup_env.sh", FAKE_UNSUPPORTED="1")
    assert process.returncode == 2
    assert "wanted Python 3.10, 3.11 or 3.12" in process.stderr
    assert not (sandbox.root / ".venv").exists()


@pytest.mark.parametrize(
    ("version", "supported"), [((3, 9), False), ((3, 10), True), ((3, 12), True), ((3, 13), False)]
)
def test_the_version_range_is_the_packages_own(version: tuple[int, int], supported: bool) -> None:
    check = re.search(r"-c 'import sys; (sys\.exit.*?)'", (REPOSITORY / "scripts/setup_env.sh").read_text())
    assert check is not None
    process = subprocess.run([sys.executable, "-c", f"import sys; sys.version_info = {version}; {check[1]}"])
    assert (process.returncode == 0) == supported
    assert 'requires-python = ">=3.10,<3.13"' in (REPOSITORY / "pyproject.toml").read_text()


# ----------------------------------------------------------------------------------------------------- quickstart.sh


def test_quickstart_runs_every_step_in_order_and_says_where_things_lie(sandbox: Sandbox) -> None:
    process = sandbox.run("scripts/quickstart.sh")
    assert process.returncode == 0, process.stderr
    beside = "-m mindrcnn build-kernels"
    steps = [line.split()[:2] for line in sandbox.calls("") if not line.startswith(("-c", "-m venv", "-m pip", beside))]
    assert [name for name, _ in steps] == ["-m", "train.py", "eval.py", "infer.py"]
    assert sandbox.calls(beside) == [beside]
    train, evaluate, infer = (sandbox.calls(name)[0] for name in ("train.py", "eval.py", "infer.py"))
    run = train.split("--run-dir ")[1]
    assert train.startswith("train.py configs/demo/mask_rcnn_mobilenet_v1.yaml --run-dir runs/")
    assert evaluate == f"eval.py {run}/best.ckpt --out {run}/eval eval.report=true"
    assert infer == f"infer.py {run}/best.ckpt demo_data/val --out {run}/pictures"
    closing = process.stdout.split("== Finished")[1]
    assert "Average Precision of bbox and segm" in closing
    for name in ("eval/report.html", "pictures", "train.log", "curves.png", "best.ckpt"):
        assert f"{sandbox.root}/{run}/{name}" in closing


def test_quickstart_trains_the_model_asked_for(sandbox: Sandbox) -> None:
    assert sandbox.run("scripts/quickstart.sh", "--model", "faster_rcnn").returncode == 0
    assert sandbox.calls("train.py")[0].startswith("train.py configs/demo/faster_rcnn_mobilenet_v1.yaml ")


@pytest.mark.parametrize(("arguments", "got"), [(("--model", "yolo"), "got yolo"), (("--model",), "got nothing")])
def test_quickstart_names_a_model_that_it_does_not_know(sandbox: Sandbox, arguments: tuple[str, ...], got: str) -> None:
    process = sandbox.run("scripts/quickstart.sh", *arguments)
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1].endswith(got)
    assert sandbox.calls("") == []


@pytest.mark.parametrize("model", ["faster_rcnn", "mask_rcnn", "ms_rcnn", "point_rend"])
def test_quickstart_has_a_configuration_for_each_model(model: str) -> None:
    assert (REPOSITORY / "configs" / "demo" / f"{model}_mobilenet_v1.yaml").is_file()


def test_quickstart_again_keeps_the_demo_data_and_starts_a_new_run(sandbox: Sandbox) -> None:
    sandbox.run("scripts/quickstart.sh")
    first = sandbox.calls("train.py")
    time.sleep(1.1)  # run folders are named after the second
    assert sandbox.run("scripts/quickstart.sh").returncode == 0
    assert sandbox.calls("-m mindrcnn demo") == []
    assert sandbox.calls("train.py") != first


def test_quickstart_completes_interrupted_demo_data(sandbox: Sandbox) -> None:
    (sandbox.root / "demo_data" / "train").mkdir(parents=True)
    assert sandbox.run("scripts/quickstart.sh").returncode == 0
    assert sandbox.calls("-m mindrcnn demo") == ["-m mindrcnn demo demo_data"]


def test_quickstart_stops_at_the_first_failure(sandbox: Sandbox) -> None:
    process = sandbox.run("scripts/quickstart.sh", FAKE_TRAIN_STATUS="3")
    assert process.returncode == 3
    assert sandbox.calls("eval.py") == []
    assert "Finished" not in process.stdout


# -------------------------------------------------------------------------------------------------- build_native.sh


def test_build_native_builds_in_the_environment(sandbox: Sandbox) -> None:
    process = sandbox.run("scripts/build_native.sh")
    assert process.returncode == 0, process.stderr
    assert sandbox.calls("-m mindrcnn") == ["-m mindrcnn build-kernels"]


# ----------------------------------------------------------------------------------------------- test.sh and .ci/run

WORKERS = min((os.cpu_count() or 1) + 1, 4)
PARALLEL = f"-m pytest -n {WORKERS} --dist loadscope --no-loadscope-reorder --max-worker-restart 0"


@pytest.mark.parametrize(
    ("arguments", "pytest_call"),
    [
        ([], "-m pytest"),
        (["fast"], "-m pytest -m not slow"),
        (["fast", "tests/ops", "-x"], "-m pytest -m not slow tests/ops -x"),
        (["tests/ops"], "-m pytest tests/ops"),
    ],
)
def test_test_sh_runs_all_stages(sandbox: Sandbox, arguments: list[str], pytest_call: str) -> None:
    process = sandbox.run("scripts/test.sh", *arguments)
    assert process.returncode == 0, process.stderr
    beside = "-m mindrcnn build-kernels"
    stages = [line for line in sandbox.calls("-m") if not line.startswith(("-m venv", "-m pip ", beside))]
    assert stages == ["-m ruff check .", "-m mypy", pytest_call.replace("-m pytest", PARALLEL)]
    assert sandbox.calls(beside) == [beside]
    assert re.search(r"^pytest ok, \d+ s$", process.stdout, re.MULTILINE)


def test_test_sh_checks_the_format_on_request(sandbox: Sandbox) -> None:
    sandbox.run("scripts/test.sh", "format", "fast")
    assert sandbox.calls("-m ruff format") == ["-m ruff format --check ."]
    assert sandbox.calls("-m pytest") == [f"{PARALLEL} -m not slow"]


def test_test_sh_runs_only_the_tests_on_request(sandbox: Sandbox) -> None:
    sandbox.run("scripts/test.sh", "fast", "only", "tests/ops")
    assert sandbox.calls("-m pytest") == [f"{PARALLEL} -m not slow tests/ops"]
    assert not sandbox.calls("-m ruff") + sandbox.calls("-m mypy") + sandbox.calls("-m mindrcnn")


def test_test_sh_goes_on_after_a_failure_and_fails(sandbox: Sandbox) -> None:
    process = sandbox.run("scripts/test.sh", FAKE_RUFF_STATUS="1")
    assert process.returncode == 1
    assert sandbox.calls("-m pytest") == [PARALLEL]
    assert "ruff check FAILED" in process.stdout
    assert "mypy ok" in process.stdout


def test_ci_also_runs_fast_tests_on_the_newest_mindspore(sandbox: Sandbox) -> None:
    assert sandbox.run(".ci/run").returncode == 0
    everything, newest = sandbox.calls("-m pytest")
    assert everything == PARALLEL
    assert newest.startswith(f"{PARALLEL} -m not slow tests/")
    selected, deselected = newest.split(" not slow ")[1].split(" -k ")
    assert all((REPOSITORY / name).exists() for name in selected.split())
    assert deselected.startswith("not (native-graph or pynative")
    assert (sandbox.root / ".venv-ms2.10.0").is_dir()
    assert sandbox.run(".ci/run", FAKE_RUFF_STATUS="1").returncode == 1


def test_ci_fails_and_says_why_where_the_newest_mindspore_cannot_be_installed(sandbox: Sandbox) -> None:
    assert sandbox.run("scripts/setup_env.sh", "--dev").returncode == 0
    process = sandbox.run(".ci/run", FAKE_PIP_STATUS="1")
    assert process.returncode == 1
    assert "pip could not install the requirements" in process.stderr
    assert sandbox.calls("-m pytest") == [PARALLEL]


@pytest.mark.parametrize(
    ("folder", "own", "wanted"),
    [("clone", "", "{0}"), ("clone", "mine.so", "{0}:mine.so"), ("a clone", "", ""), ("none", "", "")],
)
def test_the_allocator_of_mindspores_wheel_is_preloaded(tmp_path: Path, folder: str, own: str, wanted: str) -> None:
    environment = tmp_path / folder / ".venv"
    library = environment / "lib/python3.11/site-packages/mindspore/lib/libjemalloc.so.2"
    if folder != "none":
        library.parent.mkdir(parents=True)
        library.touch()
        (environment / "bin").mkdir()
    code = f'LD_PRELOAD={own}; python="{environment}/bin/python"; source scripts/allocator.sh; echo "$LD_PRELOAD"'
    done = subprocess.run([BASH, "-euc", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == wanted.format(library)


def test_the_allocator_of_another_version_beside_serves_where_the_wheel_has_none(tmp_path: Path) -> None:
    library = tmp_path / ".venv/lib/python3.11/site-packages/mindspore/lib/libjemalloc.so.2"
    library.parent.mkdir(parents=True)
    library.touch()
    code = (
        f'LD_PRELOAD=; python="{tmp_path}/.venv-ms2.10.0/bin/python"; source scripts/allocator.sh; echo "$LD_PRELOAD"'
    )
    done = subprocess.run([BASH, "-euc", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(library)
