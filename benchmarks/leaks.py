"""Memory, threads and open files of long runs: training with evaluations, then inference.

    python -m benchmarks.leaks [--steps 10000] [--evaluations 30] [--images 5000] [--folder FOLDER]

A tiny model on generated images of 64 pixels. Each program runs in a process of its own, which is observed from
outside; growth is the slope of a straight line through what was seen after the first fifth of the steps or images.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindrcnn.datasets.demo import make_demo

REPOSITORY = Path(__file__).resolve().parents[1]
BATCH = 4  # of CONFIG
POLL = 0.5  # seconds between two observations
WARM_UP = 0.2  # part of a run whose growth is that of caches and pools
CONFIG = Path(__file__).with_name("tiny.yaml")


@dataclass(frozen=True)
class Observation:
    """A process after `done` steps or images."""

    done: int
    megabytes: float
    threads: int
    files: int


def observe(pid: int, done: int) -> Observation:
    """Returns what /proc says about a process. Raises OSError if it has ended."""
    process = Path("/proc") / str(pid)
    pages = int((process / "statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return Observation(done, megabytes, len(os.listdir(process / "task")), len(os.listdir(process / "fd")))


def watch(words: Sequence[str], folder: Path, count: Callable[[], int]) -> list[Observation]:
    """Runs a command of mindrcnn to its end; returns an observation for each count that was seen."""
    seen: dict[int, Observation] = {}
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    with (folder / f"{words[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mindrcnn", *words], cwd=folder, env=environment, stdout=log, stderr=log
        )
        while process.poll() is None:
            done = count()
            try:
                seen.setdefault(done, observe(process.pid, done))  # the first: later ones may be of its end
            except (OSError, IndexError):  # it has just ended
                break
            time.sleep(POLL)
    if process.wait() != 0:
        raise SystemExit(f"{words[0]} ended with status {process.returncode}: see {log.name}")
    return [seen[done] for done in sorted(seen) if done > 0]


def last_step(metrics: Path) -> int:
    """Returns the last step of metrics.jsonl; 0 before there is one."""
    if not metrics.exists():
        return 0
    with metrics.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - 2000, 0))
        rows = file.read().split(b"\n")[:-1]
    return int(json.loads(rows[-1])["step"]) if len(rows) > 1 else 0


def report(title: str, unit: str, observations: Sequence[Observation]) -> str:
    """Returns one line about a run."""
    total = observations[-1].done
    steady = [seen for seen in observations if seen.done >= WARM_UP * total]
    done = np.array([seen.done for seen in steady])
    slopes = []
    for name in ("megabytes", "threads", "files"):
        values = np.array([getattr(seen, name) for seen in steady])
        slope = 1000 * np.polyfit(done, values, 1)[0]
        slopes.append(f"{name} {values[0]:.0f} to {values[-1]:.0f} ({slope:+.2f})")
    return f"{title}, {total} {unit}: {', '.join(slopes)} per 1000 {unit} after the first {steady[0].done}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--evaluations", type=int, default=30)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--folder", type=Path, help="folder to keep; by default it is removed at the end")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        train_images = BATCH * -(-options.steps // options.evaluations)
        make_demo(folder / "demo", train_images=train_images, val_images=20, size=64)
        words = ["train", str(CONFIG), "--run-dir", "run", f"train.schedule.length={options.evaluations}"]
        words += ["data.root=demo", "train.log_every=5"]
        seen = watch(words, folder, lambda: last_step(folder / "run" / "metrics.jsonl"))
        print(report(f"training with {options.evaluations} evaluations", "steps", seen), flush=True)
        (folder / "images").mkdir(exist_ok=True)
        sources = sorted((folder / "demo" / "train").iterdir())
        for number in range(options.images):
            link = folder / "images" / f"{number:06d}{sources[0].suffix}"
            link.unlink(missing_ok=True)
            link.symlink_to(sources[number % len(sources)])
        words = ["infer", "run/last.ckpt", "images", "--out", "out", "--force"]
        seen = watch(words, folder, lambda: len(os.listdir(folder / "out")) if (folder / "out").exists() else 0)
        print(report("inference", "images", seen), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
