"""scripts/run_*.sh: usage, argument checks, and the commands that they end in. Nothing is installed or trained."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
BASH = shutil.which("bash") or "bash"
RUN_SCRIPTS = ("run_standalone_train.sh", "run_distribute_train.sh", "run_eval.sh", "run_infer.sh")


class Sandbox:
    """The run scripts beside a setup_env.sh that names a Python which only says how it was called."""

    def __init__(self, folder: Path) -> None:
        self.root, self.work = folder / "a clone", folder / "work"
        scripts = self.root / "scripts"
        scripts.mkdir(parents=True)
        self.work.mkdir()
        for name in (*RUN_SCRIPTS, "common.sh", "allocator.sh"):
            shutil.copy(REPOSITORY / "scripts" / name, scripts / name)
        python = folder / "python"
        python.write_text(f"#!{BASH}\nprintf '<%s>' \"$@\"\n")
        python.chmod(0o755)
        (scripts / "setup_env.sh").write_text(f"echo '{python}'\n")
        for name in ("model.yaml", "best.ckpt", "hccl.json"):
            (self.work / name).touch()

    def run(self, script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if name != "DEVICE"}
        return subprocess.run(
            [BASH, str(self.root / "scripts" / script), *words],
            cwd=self.work,
            env=inherited | environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def call(self, script: str, *words: str, **environment: str) -> list[str]:
        """The words that Python was called with."""
        process = self.run(script, *words, **environment)
        assert process.returncode == 0, process.stderr
        return [word.replace(str(self.root), "ROOT") for word in process.stdout[1:-1].split("><")]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.mark.parametrize("script", RUN_SCRIPTS)
def test_is_executable_and_explains_itself(sandbox: Sandbox, script: str) -> None:
    path = REPOSITORY / "scripts" / script
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    assert os.access(path, os.X_OK)
    process = sandbox.run(script, "--help")
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith(f"usage: bash scripts/{script} ")


@pytest.mark.parametrize("script", RUN_SCRIPTS)
def test_unknown_options_missing_values_and_devices(sandbox: Sandbox, script: str) -> None:
    option = "--out" if script in ("run_eval.sh", "run_infer.sh") else "--run-dir"
    file = "best.ckpt" if script in ("run_eval.sh", "run_infer.sh") else "model.yaml"
    for words, message in (
        (("--frist",), "unknown argument: --frist"),
        ((), "wanted a "),
        (("nowhere.file", "x"), "wanted "),
        ((file, option), f"{option}: wanted a value, got nothing"),
    ):
        process = sandbox.run(script, *words)
        assert process.returncode == 2
        assert f"{script}: " in process.stderr
        assert message in process.stderr.splitlines()[-1]
        assert process.stderr.startswith("usage: ")
    process = sandbox.run(script, file, "--devices", "2", DEVICE="TPU") if "dist" in script else None
    process = process or sandbox.run(script, file, *(["image.jpg"] if "infer" in script else []), DEVICE="TPU")
    assert (process.returncode, process.stdout) == (2, "")
    assert "DEVICE: wanted Ascend, GPU or CPU, got TPU" in process.stderr


def test_standalone_training(sandbox: Sandbox) -> None:
    script = "run_standalone_train.sh"
    words = sandbox.call(script, "model.yaml", "--device-id", "3", "data.root=my data", DEVICE="GPU")
    folder = words.pop(3)
    assert folder.startswith("runs/model-20")
    assert words == [
        "ROOT/train.py",
        "model.yaml",
        "--run-dir",
        "device.target=GPU",
        "device.id=3",
        "data.root=my data",
    ]
    assert sandbox.call(script, "model.yaml", "--run-dir", "runs/x", "--resume") == [
        "ROOT/train.py", "model.yaml", "--run-dir", "runs/x", "--resume"
    ]  # fmt: skip
    assert "--resume wants --run-dir" in sandbox.run(script, "model.yaml", "--resume").stderr
    assert "wanted one configuration file" in sandbox.run(script, "model.yaml", "other.yaml").stderr
    assert "--device-id: wanted a whole number, got a" in sandbox.run(script, "model.yaml", "--device-id", "a").stderr


def launched(words: list[str]) -> tuple[list[str], list[str]]:
    """The launcher's options and the program of a call."""
    assert words[:3] == ["-m", "mindrcnn", "launch"]
    place = words.index("--")
    return words[3:place], words[place + 1 :]


def test_distributed_training(sandbox: Sandbox) -> None:
    script = "run_distribute_train.sh"
    options, program = launched(sandbox.call(script, "model.yaml", "--devices", "8", "--run-dir", "x", "a.b=c"))
    assert options == ["--devices", "8", "--launcher", "msrun", "--log-dir", "x.logs"]
    assert program == ["ROOT/train.py", "model.yaml", "--run-dir", "x", "a.b=c"]

    words = ("model.yaml", "--launcher", "rank-table", "--rank-table", "hccl.json", "--run-dir", "x", "--dry-run")
    options, program = launched(sandbox.call(script, *words, DEVICE="Ascend"))
    assert options == [
        "--rank-table", "hccl.json", "--bind-cores", "--dry-run", "--launcher", "rank-table", "--log-dir", "x.logs"
    ]  # fmt: skip
    assert program[-1] == "device.target=Ascend"
    options, _ = launched(sandbox.call(script, *words, "--no-bind-cores", DEVICE="Ascend"))
    assert "--bind-cores" not in options

    several = "--devices 16 --nodes 2 --node-rank 1 --master-addr 10.0.0.1 --master-port 8200 --bind-cores"
    options, _ = launched(sandbox.call(script, "model.yaml", *several.split(), "--run-dir", "x"))
    assert " ".join(options) == (
        "--node-rank 1 --master-addr 10.0.0.1 --master-port 8200 --local-devices 8 --devices 16 --bind-cores "
        "--launcher msrun --log-dir x.logs"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "--devices: wanted the number of processes, got nothing"),
        ("--devices two", "--devices: wanted a whole number above 0, got two"),
        ("--devices 0", "--devices: wanted a whole number above 0, got 0"),
        ("--launcher ssh --devices 2", "--launcher: wanted msrun, mpirun or rank-table, got ssh"),
        ("--launcher rank-table", "--launcher rank-table wants --rank-table FILE"),
        ("--launcher rank-table --rank-table no.json", "--rank-table: wanted an existing file, got no.json"),
        ("--devices 2 --rank-table hccl.json", "--rank-table wants --launcher rank-table"),
        ("--devices 8 --nodes 3 --run-dir x", "--nodes: wanted a divisor of the 8 devices, got 3"),
        ("--devices 8 --nodes 2", "--nodes wants --run-dir DIR, a folder that all machines share"),
        ("--devices 8 --resume", "--resume wants --run-dir DIR"),
    ],
)
def test_distributed_training_refuses(sandbox: Sandbox, words: str, message: str) -> None:
    process = sandbox.run("run_distribute_train.sh", "model.yaml", *words.split())
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.endswith(f"run_distribute_train.sh: {message}\n")


def test_mpirun_has_to_be_there(sandbox: Sandbox, tmp_path: Path) -> None:
    words = ("model.yaml", "--devices", "2", "--launcher", "mpirun", "--run-dir", "x")
    options, _ = launched(sandbox.call("run_distribute_train.sh", *words, "--dry-run"))
    assert options[-4:] == ["--launcher", "mpirun", "--log-dir", "x.logs"]
    without = tmp_path / "without mpirun"
    without.mkdir()
    for tool in ("basename", "cat", "date", "dirname"):
        (without / tool).symlink_to(str(shutil.which(tool)))
    process = sandbox.run("run_distribute_train.sh", *words, PATH=str(without))
    assert process.returncode == 2
    assert "wanted mpirun (Open MPI) on PATH, got none" in process.stderr


def test_evaluation(sandbox: Sandbox) -> None:
    one = sandbox.call("run_eval.sh", "best.ckpt", "data.root=x", DEVICE="CPU")
    assert one == ["ROOT/eval.py", "best.ckpt", "--out", "./eval", "device.target=CPU", "data.root=x"]
    options, program = launched(sandbox.call("run_eval.sh", "best.ckpt", "--devices", "2", "--out", "tables"))
    assert options == ["--devices", "2", "--launcher", "msrun", "--log-dir", "tables.logs"]
    assert program == ["ROOT/eval.py", "best.ckpt", "--out", "tables"]
    assert sandbox.run("run_eval.sh", "best.ckpt", "--rank-table", "hccl.json").returncode == 2
    assert "--dry-run wants --devices" in sandbox.run("run_eval.sh", "best.ckpt", "--dry-run").stderr


def test_inference(sandbox: Sandbox) -> None:
    words = ("best.ckpt", "a photo.jpg", "more/*.png", "--score", "0.6", "--device-id", "1", "eval.mask_thresh=0.4")
    assert sandbox.call("run_infer.sh", *words) == [
        "ROOT/infer.py", "best.ckpt", "a photo.jpg", "more/*.png", "eval.mask_thresh=0.4",
        "--out", "inferred", "--score", "0.6", "device.id=1",
    ]  # fmt: skip
    assert "--force" in sandbox.call("run_infer.sh", "best.ckpt", "a photo.jpg", "--force")
    assert "--force" in sandbox.call("run_eval.sh", "best.ckpt", "--force")
    for options in ([], ["--device-id", "1"]):
        assert "wanted at least one image file" in sandbox.run("run_infer.sh", "best.ckpt", *options).stderr


ODD_NAMES = (
    "lr=0.1/a b.yaml",
    "a=b.yaml",
    "-rf.yaml",
    'it\'s "$(touch PWNED)" `x`;&|<>*?.yaml',
    "two\nlines\n.yaml",
    "é ü 日.yaml",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_arrive_as_they_are(sandbox: Sandbox, name: str) -> None:
    for script, program in (("run_standalone_train.sh", "train"), ("run_eval.sh", "eval"), ("run_infer.sh", "infer")):
        given = name if program == "train" else name.replace(".yaml", ".ckpt")
        path = sandbox.work / given
        path.parent.mkdir(exist_ok=True)
        path.touch()
        own = given if not given.startswith("-") else f"./{given}"
        further = ("a.jpg",) if program == "infer" else ("a.b=c=d",)
        words = sandbox.call(script, "--", given, *further)
        assert words[:2] == [f"ROOT/{program}.py", own]
        assert further[0] in words
        out = "--run-dir" if program == "train" else "--out"
        words = sandbox.call(script, out, given, "--", given, *further)
        assert words[words.index(out) + 1] == own
    own = name if not name.startswith("-") else f"./{name}"
    options, program_words = launched(
        sandbox.call("run_distribute_train.sh", "--devices", "2", "--run-dir", name, "--", name)
    )
    assert program_words == ["ROOT/train.py", own, "--run-dir", own]
    assert options[-2:] == ["--log-dir", f"{own}.logs"]
    assert not (sandbox.work / "PWNED").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--nodes 99999999999999999999 --devices 2",
            "--nodes: wanted a whole number above 0, got 99999999999999999999",
        ),
        ("--devices 99999999999999999999", "--devices: wanted a whole number above 0, got 99999999999999999999"),
        ("--devices 00", "--devices: wanted a whole number above 0, got 00"),
        ("--devices a[$(touch${IFS}PWNED)]", "--devices: wanted a whole number above 0, got a[$(touch${IFS}PWNED)]"),
    ],
)
def test_numbers_that_bash_cannot_compute_with(sandbox: Sandbox, words: str, message: str) -> None:
    process = sandbox.run("run_distribute_train.sh", "model.yaml", "--run-dir", "x", *words.split())
    assert process.returncode == 2
    assert process.stderr.endswith(f"run_distribute_train.sh: {message}\n")
    assert not (sandbox.work / "PWNED").exists()


def test_leading_zeros_are_decimal(sandbox: Sandbox) -> None:
    words = "--devices 08 --nodes 02 --run-dir x --master-port 8200"
    options, _ = launched(sandbox.call("run_distribute_train.sh", "model.yaml", *words.split()))
    assert options[2:6] == ["--local-devices", "4", "--devices", "8"]
    assert sandbox.call("run_standalone_train.sh", "model.yaml", "--device-id", "08")[-1] == "device.id=8"


@pytest.mark.parametrize(
    ("script", "words", "meant"),
    [
        ("run_standalone_train.sh", "pre.ckpt", "CONFIG train.init_checkpoint=pre.ckpt"),
        (
            "run_standalone_train.sh",
            "0 /data /records pre.ckpt",
            "CONFIG --device-id 0 data.root=/data train.init_checkpoint=pre.ckpt",
        ),
        (
            "run_standalone_train.sh",
            "model.yaml /data/train /data/val out brief pre.ckpt",
            "model.yaml data.root=/data/train train.init_checkpoint=pre.ckpt",
        ),
        (
            "run_distribute_train.sh",
            "hccl.json pre.ckpt",
            "CONFIG --launcher rank-table --rank-table hccl.json train.init_checkpoint=pre.ckpt",
        ),
        ("run_distribute_train.sh", "8 pre.ckpt", "CONFIG --devices 8 train.init_checkpoint=pre.ckpt"),
        ("run_eval.sh", "val.json best.ckpt", "best.ckpt data.val.annotations=val.json"),
        ("run_eval.sh", "0 /data /records best.ckpt", "best.ckpt device.id=0 data.root=/data"),
        ("run_eval.sh", "model.yaml /data/val best.ckpt", "best.ckpt data.root=/data/val"),
        ("run_eval.sh", "model.yaml", "CHECKPOINT"),
        ("run_infer.sh", "model.yaml best.ckpt photos out.json", "CHECKPOINT IMAGES --out DIR"),
    ],
)
def test_a_call_of_the_model_zoo_is_answered_with_ours(sandbox: Sandbox, script: str, words: str, meant: str) -> None:
    process = sandbox.run(script, *words.split())
    assert process.returncode == 2
    assert f"bash scripts/{script} {meant} (docs/migrate.md)\n" in process.stderr.splitlines(keepends=True)[-1]


@pytest.mark.skipif(shutil.which("dash") is None, reason="wanted dash, a shell that is not bash")
@pytest.mark.parametrize("script", RUN_SCRIPTS)
def test_another_shell_is_told_to_use_bash(script: str) -> None:
    path = REPOSITORY / "scripts" / script
    process = subprocess.run(["dash", str(path), "a b.ckpt"], capture_output=True, text=True, timeout=60)
    assert process.returncode == 2
    assert process.stderr == f"{path}: wanted bash, got another shell: bash {path} a b.ckpt\n"
