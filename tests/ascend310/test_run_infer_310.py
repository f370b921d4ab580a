"""scripts/run_infer_310.sh: its checks, the commands that it runs, and the whole chain with MindSpore Lite on a CPU."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "scripts" / "run_infer_310.sh"
BASH = shutil.which("bash") or "bash"
LITE_HOME = os.environ.get("LITE_HOME", "")

# Stands for cmake, converter_lite, detect and Python: notes its arguments and makes the files that the next step needs.
FAKE = f"""#!{BASH}
[ "${{0##*/}}" = "${{FAKE_FAILS:-}}" ] && {{ echo "broken: $0"; exit 1; }}
printf '%s' "${{0##*/}}" >>"$FAKE_LOG"
printf ' <%s>' "$@" >>"$FAKE_LOG"
echo >>"$FAKE_LOG"
case "$0 $*" in
    *cmake*--build*) mkdir -p "$2" && cp "$0" "$2/detect" ;;
    *converter_lite*) for word; do case "$word" in --outputFile=*) touch "${{word#*=}}.mindir" ;; esac; done ;;
    *detect*) touch "$3/timings.txt" ;;
    *evaluate*) echo "Average Precision" ;;
esac
"""


class Sandbox:
    """A Lite package, cmake and Python that only say how they were called."""

    def __init__(self, folder: Path) -> None:
        self.work, self.log, self.bin = folder / "work", folder / "log", folder / "bin"
        self.lite = folder / "lite home"
        programs = [self.bin / "cmake", self.bin / "python", self.lite / "tools/converter/converter/converter_lite"]
        for program in programs:
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(FAKE)
            program.chmod(0o755)
        (self.work / "images of coco").mkdir(parents=True)
        for name in ("a model.mindir", "a.json", "a.ckpt"):
            (self.work / name).touch()

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        inherited = {name: value for name, value in os.environ.items() if name not in ("DEVICE", "PRECISION")}
        own = {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHON": str(self.bin / "python"),
            "LITE_HOME": str(self.lite),
            "FAKE_LOG": str(self.log),
        }
        command = [BASH, str(SCRIPT), *words]
        return subprocess.run(
            command, cwd=self.work, env=inherited | own | environment, capture_output=True, text=True, timeout=60
        )

    def calls(self) -> list[str]:
        text = self.log.read_text().replace(str(self.work), "WORK").replace(str(REPOSITORY), "REPOSITORY")
        return [line.replace(str(self.lite), "LITE") for line in text.splitlines()]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


GOOD = ("a model.mindir", "images of coco", "a.json")
DATA = (
    "<data.root=WORK/images of coco> <data.val.format=coco> <data.val.images=WORK/images of coco> "
    "<data.val.annotations=WORK/a.json>"
)


def test_the_steps_on_an_ascend(sandbox: Sandbox) -> None:
    done = sandbox.run(*GOOD, "3", "eval.pictures=0", "--out", "re sult", PRECISION="enforce_fp32")
    assert done.returncode == 0, done.stderr
    calls = sandbox.calls()
    (batches,) = {part for line in calls for part in line.split("/") if part.startswith("batches.")}
    assert [line.replace(batches, "BATCHES") for line in calls] == [
        "cmake <-S> <REPOSITORY/ascend310_infer> <-B> <re sult/build>",
        "cmake <--build> <re sult/build>",
        "converter_lite <--fmk=MINDIR> <--modelFile=WORK/a model.mindir> "
        "<--outputFile=re sult/a model_310_enforce_fp32> <--optimize=ascend_oriented> <--configFile=re sult/lite.ini>",
        "python <-m> <mindrcnn> <offline> <prepare> <WORK/a model.mindir> <--inputs> <re sult/BATCHES/inputs> "
        f"<eval.pictures=0> {DATA}",
        "detect <re sult/a model_310_enforce_fp32.mindir> <re sult/BATCHES/inputs> <re sult/BATCHES/outputs> <Ascend> "
        "<3> <enforce_fp32>",
        "python <-m> <mindrcnn> <offline> <evaluate> <WORK/a model.mindir> <--inputs> <re sult/BATCHES/inputs> "
        f"<--outputs> <re sult/BATCHES/outputs> <--out> <re sult/eval> <eval.pictures=0> {DATA}",
    ]
    result = sandbox.work / "re sult"
    assert (result / "lite.ini").read_text() == "[ascend_context]\nprecision_mode=enforce_fp32\n"
    assert (result / "acc.log").read_text() == "Average Precision\n"
    assert not (result / batches).exists()
    for precision, conversions in (("enforce_fp32", 0), ("preferred_fp32", 1)):
        assert sandbox.run(*GOOD, "--out", "re sult", PRECISION=precision).returncode == 0
        assert len([line for line in sandbox.calls() if line.startswith("converter_lite")]) == conversions


def test_a_cpu_takes_the_model_as_it_is(sandbox: Sandbox) -> None:
    assert sandbox.run(*GOOD, DEVICE="CPU").returncode == 0
    programs = [line.split()[0] for line in sandbox.calls()]
    assert programs == ["cmake", "cmake", "python", "detect", "python"]
    assert " <CPU> <0> <preferred_fp32>" in sandbox.calls()[3]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("cmake", "ascend310_infer: could not be built; see above"),
        ("converter_lite", "a model.mindir: converter_lite could not convert it; see above"),
        ("detect", ""),
    ],
)
def test_a_step_that_fails_ends_the_script(sandbox: Sandbox, program: str, message: str) -> None:
    done = sandbox.run(*GOOD, FAKE_FAILS=program)
    assert done.returncode != 0
    assert "broken: " in done.stderr + done.stdout
    assert done.stderr.rstrip().endswith(message)
    assert not (sandbox.work / "infer_310" / "acc.log").exists()
    assert not list((sandbox.work / "infer_310").glob("batches.*"))


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        (GOOD[:2], {}, "wanted MINDIR DATA ANN [DEVICE_ID], got 2 words"),
        (("a.ckpt", *GOOD[1:]), {}, "MINDIR: wanted a .mindir file, got a.ckpt; mindrcnn export CHECKPOINT --out"),
        (("no.mindir", *GOOD[1:]), {}, "MINDIR: wanted an existing file, got no.mindir"),
        ((GOOD[0], "nowhere", GOOD[2]), {}, "DATA: wanted a folder of images, got nowhere"),
        ((*GOOD[:2], "no.json"), {}, "ANN: wanted an existing file, got no.json"),
        ((*GOOD, "first"), {}, "DEVICE_ID: wanted a whole number, got first"),
        (GOOD, {"DEVICE": "GPU"}, "DEVICE: wanted Ascend or CPU, got GPU"),
        (GOOD, {"LITE_HOME": ""}, "LITE_HOME: wanted the folder of a MindSpore Lite package, got nothing"),
        ((*GOOD, "--out"), {}, "--out: wanted a value, got nothing"),
        ((*GOOD, "--fast"), {}, "unknown argument: --fast"),
    ],
)
def test_bad_calls(sandbox: Sandbox, words: tuple[str, ...], environment: dict[str, str], message: str) -> None:
    done = sandbox.run(*words, **environment)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: bash scripts/run_infer_310.sh MINDIR DATA ANN [DEVICE_ID]")
    assert done.stderr.splitlines()[-1].startswith(f"run_infer_310.sh: {message}")
    assert sandbox.calls() == []


def test_help() -> None:
    assert os.access(SCRIPT, os.X_OK)
    done = subprocess.run([BASH, SCRIPT, "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: bash scripts/run_infer_310.sh ")


@pytest.mark.slow
@pytest.mark.skipif(not LITE_HOME, reason="LITE_HOME: no MindSpore Lite package; docs/deploy.md says how to get one")
@pytest.mark.skipif(not shutil.which("cmake") or not shutil.which("c++"), reason="no cmake or no C++ compiler")
def test_the_whole_chain(work: Path, model: Path, coco: tuple[Path, Path], expected: dict[str, Any]) -> None:
    environment = os.environ | {
        "DEVICE": "CPU",
        "PYTHON": sys.executable,
        "PYTHONPATH": str(REPOSITORY / "src"),
        "CMAKE_BUILD_TYPE": "Debug",  # compiles in half the time
        "CXXFLAGS": "-Werror",
        "LD_PRELOAD": "",
    }
    command = [BASH, str(SCRIPT), str(model), *map(str, coco), "--out", "result"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3 batches of 2 images; the first took " in done.stdout
    assert json.loads(Path("result/eval/metrics.json").read_text()) == expected
    table = Path("result/acc.log").read_text()
    assert f"= {expected['bbox']['AP']:.3f}" in table.splitlines()[1]
    assert len(Path("result/timings.txt").read_text().splitlines()) == 3

    def detect(*words: object) -> str:
        process = subprocess.run(
            ["result/build/detect", *map(str, words), "CPU"],
            env=environment | {"LD_LIBRARY_PATH": f"{LITE_HOME}/lib:{LITE_HOME}/runtime/lib"},
            capture_output=True,
            text=True,
        )
        assert process.returncode == 2
        return process.stderr.splitlines()[-1]

    Path("short").mkdir()
    Path("short/a.images.bin").write_bytes(b"12")
    Path("short/a.image_sizes.bin").write_bytes(b"")
    broken = Path("broken.mindir")
    broken.write_bytes(b"no model")
    assert detect(broken, "short", "result") == (
        "error: broken.mindir: wanted a model that this version of MindSpore Lite loads on CPU: Common error code."
    )
    assert detect(model, "short", "result") == "error: batch a: wanted 36864 bytes of images, got 2"
    assert detect(model, "result", "result") == "error: result: wanted files *.images.bin, got none"
    assert detect(model, "nowhere", "result") == "error: nowhere: cannot be listed: No such file or directory"
