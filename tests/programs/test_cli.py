"""The one command: its table, its help, its errors, and the programs of the repository's root that stand for it."""

import importlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mindrcnn import __version__, cli
from mindrcnn.exit_status import EXIT_INPUT, EXIT_OK
from mindrcnn.programs import infer
from mindrcnn.programs.launch import python_words

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = REPOSITORY / "src" / "mindrcnn" / "programs"
HEAVY = ("mindspore", "numpy", "cv2", "matplotlib", "pycocotools", "yaml")
MOST_CPU_SECONDS = 0.3  # of `mindrcnn --help`

# Runs the command and says which heavy modules it loaded, after its own output.
WATCHED = f"""
import atexit, sys
atexit.register(lambda: print("\\nloaded:", *(name for name in {HEAVY} if name in sys.modules)))
from mindrcnn.cli import main
sys.exit(main())
"""


def command(*words: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "COLUMNS": "100"}
    call = [sys.executable, "-m", "mindrcnn", *words]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_modules_load_is_no_traceback(name: str) -> None:
    code = f"""
import os, signal, sys, types
from mindrcnn.__main__ import main
assert not {{"mindrcnn.cli", "importlib.metadata", "logging", "pathlib"}} & set(sys.modules) - before, sys.modules
loading = sys.modules["mindrcnn.cli"] = types.ModuleType("mindrcnn.cli")
loading.main = lambda: os.kill(os.getpid(), signal.{name}) or signal.pause()
main()
"""
    code = "import sys; before = set(sys.modules)" + code
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (128 + signal.Signals[name], "")


def loaded_by(*words: str) -> tuple[int, str, list[str]]:
    """Status, standard output and heavy modules of a call."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "COLUMNS": "100"}
    call = [sys.executable, "-c", WATCHED, *words]
    process = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120)
    output, _, modules = process.stdout.rpartition("\nloaded:")
    return process.returncode, output, modules.split()


def test_every_program_is_a_command_and_is_listed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == EXIT_OK
    listed = re.findall(r"^  ([a-z][a-z-]*) {2,}[a-z]", capsys.readouterr().out, re.MULTILINE)
    assert listed == list(cli.COMMANDS)
    modules = {path.stem for path in PROGRAMS.glob("*.py")} - {"__init__", "command_line"}
    assert sorted(command.module for command in cli.COMMANDS.values()) == sorted(modules)


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["trian"], []])
def test_help_version_and_errors_load_nothing(words: list[str]) -> None:
    assert loaded_by(*words)[2] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_of_a_command_loads_nothing_and_has_defaults_and_examples(name: str) -> None:
    status, output, modules = loaded_by(name, "--help")
    assert (status, modules) == (EXIT_OK, [])
    assert output.startswith(f"usage: mindrcnn {name} ")
    assert f"examples:\n  mindrcnn {name}" in output
    usage, _, described = output.partition("options:\n")
    required = set(re.findall(r"(?<!\[)(--[a-z-]+) [A-Z]+", usage.split("\n\n")[0]))
    for entry in re.findall(r"^  (--[a-z-]+.*?)(?=^  -|^\S|\Z)", described.partition("\nexamples:")[0], re.M | re.S):
        option = entry.split()[0].rstrip(",")
        text = " ".join(entry.split())
        if option not in required | {"--results", "--config", "--rank-table", "--to"}:
            assert "(default: " in text, f"{name} {text}"


def test_the_help_comes_at_once() -> None:
    seconds = []
    for _ in range(4):  # the first compiles what is not compiled yet; the least is what other work slows down least
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < MOST_CPU_SECONDS


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == EXIT_OK
    assert capsys.readouterr().out == f"mindrcnn {__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "error: unknown command trian, nearest command: train\n"),
        (["evaluate"], "error: unknown command evaluate, nearest command: eval\n"),
        (["compare_masks", "--help"], "error: unknown command compare_masks, nearest command: compare-masks\n"),
        (["xyz"], f"error: unknown command xyz, wanted one of {', '.join(cli.COMMANDS)}\n"),
        (["--verbose"], "error: wanted a command, got the option --verbose; `mindrcnn --help` lists the commands\n"),
    ],
)
def test_a_wrong_command_is_one_message(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert cli.main(words) == EXIT_INPUT
    assert capsys.readouterr() == ("", message)


def test_no_command_shows_the_help_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == EXIT_INPUT
    assert capsys.readouterr() == ("", cli.help_text())


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_an_unknown_option_ends_every_command_with_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--no-such-option"])
    assert ended.value.code == EXIT_INPUT
    assert f"mindrcnn {name}: error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("migrate nowhere.py", "nowhere.py: no such configuration file"),
        ("doctor nowhere.yaml", "nowhere.yaml: no such configuration file"),
        ("demo file/data", "file/data: cannot write the demo data"),
        ("subset nowhere.json --images 1 --out x.json", "nowhere.json: cannot be read"),
        ("mindrecord nowhere.json --images . --out x --workers 0", "nowhere.json: no such annotation file"),
        ("launch --log-dir logs -- train x.yaml", "--devices: wanted the number of processes, got nothing"),
        ("build-kernels", "wanted a C++17 compiler"),
    ],
)
def test_bad_input_is_one_message_in_every_program(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CXX", "no-such-compiler")
    Path("file").touch()
    assert cli.main(words.split()) == EXIT_INPUT
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_the_module_is_the_command(tmp_path: Path) -> None:
    process = command("demo", "data", "--train-images", "1", "--val-images", "1", "--size", "48", folder=tmp_path)
    assert (process.returncode, process.stdout) == (0, "data: 1 training and 1 validation images\n")
    content = json.loads((tmp_path / "data" / "annotations" / "instances_val.json").read_text())
    assert len(content["images"]) == 1


@pytest.mark.parametrize("name", ["train", "eval", "infer", "export"])
def test_a_program_of_the_root_has_the_options_of_its_command(name: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "COLUMNS": "100"}
    call = [sys.executable, str(REPOSITORY / f"{name}.py"), "--help"]
    process = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert process.stdout.startswith(f"usage: python {name}.py ")
    same = command(name, "--help").stdout
    assert described(process.stdout) == described(same)
    assert process.stdout.replace(f"python {name}.py", f"mindrcnn {name}").split() == same.split()


def described(text: str) -> str:
    """The help of the arguments, without the usage and the examples."""
    return text[text.index("positional arguments:") : text.index("examples:")]


def test_the_launcher_runs_sub_commands_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert python_words(["train", "a.yaml"]) == ("-m", "mindrcnn", "train", "a.yaml")
    assert python_words(["train.py", "a.yaml"]) == ("train.py", "a.yaml")
    Path("train").touch()
    assert python_words(["train", "a.yaml"]) == ("train", "a.yaml")


def test_words_of_infer_that_are_overrides_or_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.b=c.jpg").touch()
    arguments = infer.parse_arguments(
        ["x.ckpt", "a.b=c.jpg", "eval.mask_thresh=0.4", "photos", "--classes", "cat, dog"]
    )
    assert arguments.images == ["a.b=c.jpg", "photos"]
    assert arguments.overrides == ["eval.mask_thresh=0.4"]
    assert arguments.classes == ["cat", "dog"]


def test_exit_statuses_are_defined_in_one_place() -> None:
    files = [path for folder in ("src", "parity", "benchmarks") for path in (REPOSITORY / folder).rglob("*.py")]
    assignment = re.compile(r"^(?:\w+, )*EXIT_(?!BASE)[A-Z]+\b.* = ", re.MULTILINE)
    assert [path.name for path in files if assignment.search(path.read_text())] == ["exit_status.py"]


@pytest.mark.parametrize(
    ("program", "words", "wanted"),
    [
        ("train", ["--run-dir=-r", "--", "-x.yaml", "a.b=c"], {"config": Path("./-x.yaml"), "run_dir": Path("-r")}),
        ("train", ["lr=0.1/x.yaml", "a.b=c"], {"config": Path("lr=0.1/x.yaml"), "overrides": ["a.b=c"]}),
        ("evaluate", ["--", "-x.ckpt"], {"checkpoint": "./-x.ckpt", "overrides": []}),
        ("infer", ["--", "-x.ckpt", "-a.jpg"], {"checkpoint": Path("./-x.ckpt"), "images": ["./-a.jpg"]}),
        ("export", ["--out", "two\nlines.mindir", "it's.ckpt"], {"out": Path("two\nlines.mindir")}),
        ("convert", ["--", "-x.pth", "-o.ckpt"], {"src": "./-x.pth", "out": Path("./-o.ckpt")}),
        ("doctor", ["--", "-x.yaml", "a.b=1"], {"config": Path("./-x.yaml"), "overrides": ["a.b=1"]}),
        ("mindrecord", ["--images=-i", "--out=-o", "--", "-x.json"], {"annotations": Path("-x.json")}),
        ("demo", ["--", "-d"], {"folder": Path("-d")}),
    ],
)
def test_odd_names_in_every_program(program: str, words: list[str], wanted: dict[str, object]) -> None:
    arguments = vars(importlib.import_module(f"mindrcnn.programs.{program}").parse_arguments(words))
    assert {name: arguments[name] for name in wanted} == wanted


def test_an_override_longer_than_a_name_is_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=0.1").mkdir()
    (tmp_path / "lr=0.1" / "a.jpg").touch()
    long = f"data.classes=[{'a, ' * 200}]"
    assert infer.split_overrides(["lr=0.1/*.jpg", long, "lr=0.1", "x.y=1"]) == (
        ["lr=0.1/*.jpg", "lr=0.1"],
        [long, "x.y=1"],
    )
