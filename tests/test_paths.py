"""paths.py: every failure is one InputError that names the path, and nothing is waited for; used everywhere."""

import ast
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mindrcnn import paths
from mindrcnn.atomic import replacing, write_text
from mindrcnn.build.data import locate_split
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.config.loader import load_config
from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.formats.layout import SplitFiles
from mindrcnn.data.formats.mindrecord.manifest import read_manifest
from mindrcnn.data.formats.txt_list import read_lines
from mindrcnn.engine.distributed.environment import read_rank_table
from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import read_json
from mindrcnn.hashing import file_sha256
from mindrcnn.programs.train import parse_arguments

SOURCES = Path(__file__).resolve().parents[1] / "src" / "mindrcnn"
NOBODY = 65534
QUESTIONS: tuple[Callable[[Path], object], ...] = (
    paths.exists,
    paths.is_file,
    paths.is_folder,
    paths.describe,
    paths.open_file,
    paths.read_bytes,
    paths.read_text,
    paths.list_folder,
    paths.is_empty,
    paths.make_folder,
    lambda path: write_text(path, ""),
)


def in_a_child(action: Callable[[], object], *, user: int) -> str:
    """Runs the action in a forked process of another user; returns its InputError or the name of what it raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            action()
            text = "nothing"
        except InputError as error:
            text = f"InputError: {error}"
        except BaseException as error:
            text = type(error).__name__
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        return pipe.read()


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "y/" * 3000])
def test_impossible_names(tmp_path: Path, name: str, ask: Callable[[Path], object]) -> None:
    with pytest.raises(InputError, match=r"too long|NUL|new folder|cannot"):
        ask(tmp_path / name)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_links_that_lead_to_themselves(tmp_path: Path, ask: Callable[[Path], object]) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="loop"):
        ask(tmp_path / "loop" / "inside")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("ask", QUESTIONS)
def test_folders_of_others(tmp_path: Path, ask: Callable[[Path], object]) -> None:
    os.chmod(tmp_path, 0o700)
    said = in_a_child(lambda: ask(tmp_path / "inside"), user=NOBODY)
    assert said.startswith("InputError")
    assert str(tmp_path) in said
    assert "Permission denied" in said


def test_absent_files_are_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file" / "inside"):
        assert not paths.exists(path)
        assert not paths.is_file(path)
        assert not paths.is_folder(path)
    with pytest.raises(InputError, match="nowhere: no such annotation file"):
        paths.open_file(tmp_path / "nowhere", "annotation file")


def test_only_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # the name of a socket is limited to 108 bytes
        listening.bind("socket")
        (tmp_path / "link").symlink_to("pipe")
        for path, kind in (
            (tmp_path / "pipe", "a pipe"),
            (tmp_path / "link", "a pipe"),
            (tmp_path / "socket", "a socket"),
            (tmp_path, "a folder"),
            (Path("/dev/zero"), "a device"),
        ):
            assert paths.exists(path)
            assert not paths.is_file(path)
            with pytest.raises(InputError, match=f"wanted a file, got {kind}"):
                paths.read_bytes(path)


def test_home_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert paths.expand("~/x y") == Path("/somewhere/x y")
    assert paths.expand("a/~b") == Path("a/~b")
    with pytest.raises(InputError, match=r"got ~nobody_here, who has none"):
        paths.expand("~nobody_here/x")


def test_patterns_end_at_links_to_folders_above(tmp_path: Path) -> None:
    for name in ("a", "a/b", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").touch()
        for number in range(6):  # a walk that follows them all visits 6 to the 40th folders
            (tmp_path / name / f"loop{number}").symlink_to(tmp_path)
    found = paths.expand_pattern(f"{tmp_path}/**/*.jpg")
    assert found == [tmp_path / "a/1.jpg", tmp_path / "a/b/1.jpg"]
    assert paths.expand_pattern(f"{tmp_path}/**/**/*.jpg") == found
    assert paths.expand_pattern(f"{tmp_path}/**/a/**/*.jpg") == found
    assert paths.expand_pattern(f"{tmp_path}/**/../**/*.jpg") != []
    assert paths.expand_pattern("/" + "../" * 1300 + f"{tmp_path}/[ab]/?.jpg"[1:]) != []
    assert paths.expand_pattern(f"{tmp_path}/[ab]/?.jpg") == [tmp_path / "a/1.jpg"]
    assert paths.expand_pattern(f"{tmp_path}/.h*/*.jpg") == [tmp_path / ".hidden/1.jpg"]
    assert paths.expand_pattern(f"{tmp_path}/none/*.jpg") == []


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_writing_wants_the_name_of_a_file(name: str) -> None:
    with pytest.raises(InputError, match="wanted the name of a file"), replacing(Path(name)):
        pass


def test_readers_wait_for_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = tmp_path / "pipe"
    readers: list[Callable[[], object]] = [
        lambda: load_config(pipe),
        lambda: load_config(write(tmp_path / "a.yaml", "base: pipe\n")),
        lambda: read_json(pipe),
        lambda: read_lines(pipe),
        lambda: read_coco(annotations=pipe, images=tmp_path),
        lambda: read_manifest(tmp_path / "folder"),
        lambda: file_sha256(pipe),
        lambda: read_rank_table(pipe),
    ]
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "index.json")
    for read in readers:
        with pytest.raises(InputError, match="wanted a file, got a pipe"):
            read()


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_every_path_key_knows_home_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "c.yaml", "name: mine\n")
    assert load_config("~/c.yaml").name == "mine"
    assert load_config(write(tmp_path / "b.yaml", "base: ~/c.yaml\n")).name == "mine"
    for folder in ("d/annotations", "d/train", "other"):
        (tmp_path / folder).mkdir(parents=True)
        write(tmp_path / folder / "file", "")
    write(tmp_path / "d/annotations/instances_train.json", "{}")
    data = DataConfig(root="~/d", train=SplitConfig(name="train"))
    _, files = locate_split(data, data.train, "data.train")
    assert files.annotations == tmp_path / "d/annotations/instances_train.json"
    split = SplitConfig(annotations="~/d/annotations/instances_train.json", images="~/other")
    _, files = locate_split(data, split, "data.train")
    assert files == SplitFiles(tmp_path / "d/annotations/instances_train.json", tmp_path / "other")
    assert parse_arguments(["~/c.yaml", "--run-dir=~/r"]).run_dir == tmp_path / "r"
    with pytest.raises(InputError, match="~nobody_here"):
        locate_split(DataConfig(root="~nobody_here/d"), data.train, "data.train")


# What pathlib and os offer instead, and the modules that use it: on files of their own making, or with the failures
# turned into messages on the spot.
ASKING = {
    *("exists", "is_file", "is_dir", "iterdir", "glob", "rglob", "stat", "expanduser", "resolve", "mkdir"),
    *("read_text", "read_bytes", "listdir", "scandir", "isfile", "isdir", "iglob", "open"),
}
OWN_FILES = {
    "paths.py",
    "atomic.py",  # inside a handler of OSError
    "trusted_files.py",  # inside handlers of OSError
    "graphs/identity.py",  # the package's own sources, and those of loaded modules
    "graphs/store.py",  # inside a handler of OSError
    "datasets/demo.py",  # inside a handler of OSError
    "config/packaged.py",  # the package's own folder
    "native/build.py",  # the package's own sources
    "weights/partial_file.py",  # inside a handler of OSError
    "data/image_io.py",  # has a message for each failure
    "data/formats/image_files.py",  # lists folders, with a message for each failure
    "data/formats/mindrecord/convert.py",  # inside a handler of OSError
    "data/formats/mindrecord/shard.py",  # has a message for each failure
    "engine/checkpoints/run_folder.py",  # creates folders inside a handler of OSError
    "engine/checkpoints/run_lock.py",  # inside a handler of OSError
    "launch/guard.py",  # lists processes, and runs without the package
    "engine/tracking/sink_tensorboard.py",  # inside a handler of OSError
    "engine/tracking/sink_summary_record.py",
}
# What else is opened: a temporary file of the module's own, the system's description of a process or its null device,
# a member of an archive, and files to write, inside a handler of OSError.
OPENED = {
    *("engine/checkpoints/checksum.py: open", "weights/transfer.py: open", "weights/transfer.py: opener.open"),
    *(
        "weights/write.py: path.open",
        "launch/workers.py: open",
        "exit_status.py: os.open",
        "tolerant_output.py: os.open",
    ),
    *("untrusted/archive.py: archive.open", "tasks/training.py: run_folder.open"),
    *("tasks/dry_run.py: run_folder.open", "cpu_setup.py: os.listdir"),  # the second where Python looks for modules
    *("engine/tracking/metrics_log.py: open", "launch/supervise.py: open", "datasets/convert_data.py: open"),
    "tasks/modelarts.py: _moxing().file.exists",  # asks a bucket
    "engine/distributed/shared_memory.py: os.open",  # a file that the first process has just made in memory
    *(
        f"tasks/results/{name}.py: open"
        for name in ("coco_dataset", "coco_results", "json_lines", "predictions", "tables")
    ),
    "drawing/video.py: open",
    *("tasks/inference.py: one.open", "tasks/inference.py: self.record.open"),  # results
}


def test_the_file_system_is_asked_in_one_place() -> None:
    found = []
    for file in sorted(SOURCES.rglob("*.py")):
        name = str(file.relative_to(SOURCES))
        if name in OWN_FILES:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            owner, _, function = called.rpartition(".")
            if function not in ASKING or owner == "paths" or (not owner and function != "open"):
                continue
            if f"{name}: {called}" not in OPENED:
                found.append(f"{name}:{node.lineno}: {called}")
    assert not found, "\n".join(found)
