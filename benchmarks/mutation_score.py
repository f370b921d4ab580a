"""The share of small faults in the code that the fast tests of the same folder notice.

    python -m benchmarks.mutation_score [--mutants 300] [--seed 0] [--only PART ...] [--case FILE:NUMBER ...]

Copies the repository, puts one fault at a time into the copy, and runs the tests there that reach the changed module
until one fails: first the file of its name, then what imports it, directly or by one module more. A process that has
imported MindSpore forks for each fault. A fault that survives is printed with its number, which --case tries again.
"""

import argparse
import functools
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

import mindrcnn  # noqa: F401 (sets what MindSpore needs before it is imported)
from benchmarks.mutants import Mutant, mutants

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = {  # folder of src/mindrcnn: share of the mutants
    "ops": 80,
    "models": 90,
    "data/transforms": 30,
    "data/masks.py": 25,
    "data/run_length_text.py": 5,
    "evaluation": 60,
    "engine/checkpoints": 40,
}
TEST_FOLDERS = {"data/transforms": "data", "data/masks.py": "data", "data/run_length_text.py": "data"}  # others: alike
CPU_SECONDS = 60
SECONDS = 1800  # the same, for one that makes them wait
LIBRARIES = ("mindspore", "mindspore.nn", "mindspore.ops", "cv2", "PIL.Image", "pycocotools.mask", "faster_coco_eval")
SURVIVES = {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
IMPORT = re.compile(r"^\s*(?:from (mindrcnn[\w.]*) import ([\w, ()\n]+?)(?:#|$)|import (mindrcnn[\w.]*))", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """A mutant of a file under src/mindrcnn, its number there, and the tests to run."""

    file: str
    number: int
    mutant: Mutant
    tests: Sequence[str]


class _EagerFirst:
    """Puts the tests that compile a graph last: eager ones notice most faults sooner."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: "graph" in item.name)


@functools.cache
def imported(file: Path) -> set[str]:
    """Returns the modules of the package that a file imports anywhere."""
    found = set()
    for module, names, whole in IMPORT.findall(file.read_text()):
        found |= {whole} if whole else {module, *(f"{module}.{name}" for name in re.findall(r"\w+", names))}
    return found


def reaching_tests(module: str, folder: Path) -> list[str]:
    """Returns the test files of a folder that lead to a module, the shortest way first; none two imports longer."""
    source = REPOSITORY / "src"
    imports = {
        ".".join(path.relative_to(source).with_suffix("").parts): imported(path)
        for path in (source / "mindrcnn").rglob("*.py")
    }
    distance, reached = {module: 0}, [module]
    for name in reached:
        for importer, its in imports.items():
            if name in its and importer not in distance:
                distance[importer] = distance[name] + 1
                reached.append(importer)
    found = []
    for file in sorted(folder.rglob("test_*.py")):
        ways = [distance[name] for name in imported(file) if name in distance]
        if ways:
            of_its_name = file.stem == f"test_{module.split('.')[-1]}"
            found.append((0 if of_its_name else min(ways), not of_its_name, str(file.relative_to(REPOSITORY))))
    return [file for way, _, file in sorted(found) if way <= min(found)[0] + 1]


def cases_of(part: str) -> Iterator[Case]:
    """Yields every case of a part."""
    package = REPOSITORY / "src" / "mindrcnn"
    chosen = package / part
    folder = REPOSITORY / "tests" / TEST_FOLDERS.get(part, part)
    for path in [chosen] if chosen.is_file() else sorted(chosen.rglob("*.py")):
        module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        tests = reaching_tests(module, folder)
        file = str(path.relative_to(package))
        yield from (Case(file, number, mutant, tests) for number, mutant in enumerate(mutants(path.read_bytes())))


def run_tests(case: Case, tree: Path) -> int:
    """Runs the tests of a case in a fork; returns their exit status, or minus the signal that ended them."""
    pid = os.fork()
    if pid == 0:
        log = os.open(tree / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        signal.alarm(SECONDS)
        os.chdir(tree)
        sys.path[:0] = [str(tree / "src"), str(tree)]
        os.environ["PYTHONPATH"] = str(tree / "src")
        for name in [name for name in sys.modules if name.split(".")[0] in ("mindrcnn", "benchmarks")]:
            del sys.modules[name]
        words = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--durations=0", *case.tests]
        os._exit(int(pytest.main(words, plugins=[_EagerFirst()])))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what the tests have left
    return status


def survives(case: Case, tree: Path) -> bool:
    """Puts the fault into the tree, and returns whether the tests pass. The file is as before at the end."""
    file = tree / "src" / "mindrcnn" / case.file
    original = file.read_bytes()
    for cached in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        cached.unlink()
    file.write_bytes(case.mutant.apply(original))
    try:
        return run_tests(case, tree) in SURVIVES
    finally:
        file.write_bytes(original)


def copy_repository(tree: Path) -> None:
    """Copies what git knows of, and the tests' data outside it by its path."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in names.decode().split("\0"):
        if name and (REPOSITORY / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, tree / name)
    os.environ.setdefault("MINDRCNN_SHARED_DATA", str(REPOSITORY.parent / "shared" / "data"))


def sampled(options: argparse.Namespace) -> list[Case]:
    """Returns the cases that the command line asks for."""
    if options.case:
        return [case for part in PARTS for case in cases_of(part) if f"{case.file}:{case.number}" in options.case]
    whole = sum(PARTS.values())
    found = []
    for part in options.only or PARTS:
        every = list(cases_of(part))
        wanted = min(round(options.mutants * PARTS[part] / whole), len(every))
        found += random.Random(f"{part} {options.seed}").sample(every, wanted)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=300, help="faults over all parts (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice (default: 0)")
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--case", nargs="+", metavar="FILE:NUMBER", help="try these faults, and keep each log")
    options = parser.parse_args(argv)
    cases = sampled(options)
    sys.dont_write_bytecode = True
    for name in LIBRARIES:
        import_module(name)
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        copy_repository(Path(temporary))
        for place, case in enumerate(cases, start=1):
            began = time.monotonic()
            alive = survives(case, Path(temporary))
            survivors += alive
            outcome = "SURVIVED" if alive else "killed"
            seconds = time.monotonic() - began
            print(f"{place} {outcome} {case.file}:{case.number} line {case.mutant} ({seconds:.0f} s)", flush=True)
            if options.case:
                print((Path(temporary) / "log.txt").read_text(errors="replace"), flush=True)
    killed = len(cases) - survivors
    print(f"{killed} of {len(cases)} killed: {100 * killed / max(len(cases), 1):.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
