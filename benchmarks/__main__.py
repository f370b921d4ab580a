"""Times this package, and torchvision beside it where it is installed, in turns within one run.

    python -m benchmarks [--only inference/mask_rcnn] [--repetitions 3] [--all] [--write-docs]

Without --all it leaves out the slow cases that no limit is set for. Results go to a JSON file after every case.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.case import Case
from benchmarks.cases import CASES
from benchmarks.environment import describe_machine
from benchmarks.measure import CaseResult, measure
from benchmarks.report import case_lines
from benchmarks.results_file import Results, write_results

RESULTS = Path(__file__).parent / "results" / "latest.json"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="cases whose name has this in it")
    parser.add_argument("--all", action="store_true", help="the slow cases without a limit as well")
    parser.add_argument("--quick", action="store_true", help="two turns of each case")
    parser.add_argument("--repetitions", type=int, help="turns of each case, instead of each case's own number")
    parser.add_argument("--threads", type=int, default=2, help="processors for either side (default: 2)")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="the JSON file (default: benchmarks/results/latest.json)"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases and end")
    return parser.parse_args(argv)


def chosen_cases(only: Sequence[str], everything: bool) -> list[Case]:
    """The cases asked for, by name also those that are not in the ordinary run."""
    if only:
        return [case for case in CASES if any(text in case.name for text in only)]
    return [case for case in CASES if everything or case.core]


def run_cases(cases: Sequence[Case], options: argparse.Namespace) -> list[CaseResult]:
    """Measures one case after the other, reporting and saving each."""
    machine = describe_machine(options.threads)
    logs = Path(tempfile.mkdtemp(prefix="benchmark-logs-"))
    started = time.monotonic()
    results: list[CaseResult] = []
    for number, case in enumerate(cases):
        prefix = (
            f"[{number + 1}/{len(cases)} {clock(time.monotonic() - started)}{remaining(started, number, len(cases))}]"
        )

        def notify(text: str, prefix: str = prefix) -> None:
            print(f"{prefix} {text}", file=sys.stderr, flush=True)

        repetitions = options.repetitions or (2 if options.quick else case.repetitions)
        result = measure(case, repetitions=repetitions, threads=options.threads, logs=logs, notify=notify)
        results.append(result)
        print("\n".join(case_lines(result)), flush=True)
        write_results(options.out, Results(machine=machine, cases=results))
    return results


def remaining(started: float, done: int, total: int) -> str:
    """The time left by the mean time of a case so far; nothing before the first is done."""
    if not done:
        return ""
    return f", about {clock((time.monotonic() - started) / done * (total - done))} left"


def clock(seconds: float) -> str:
    """m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status: 1 where a case failed."""
    options = parse(argv)
    cases = chosen_cases(options.only, options.all)
    if options.list or not cases:
        print("\n".join(case.name for case in cases or CASES))
        return 0 if cases else 2
    results = run_cases(cases, options)
    failed = [result for result in results if result.error]
    for result in failed:
        print(f"failed: {result.case.name}: {result.error}", file=sys.stderr)
    print(f"results in {options.out}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
