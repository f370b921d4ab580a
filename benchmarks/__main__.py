"""Timings of this package and, where they are installed, of its rivals, in turns within one run.

    python -m benchmarks [--all | --only inference/mask_rcnn] [--repetitions 3] [--data DATA_ROOT] [--write-docs]

Without --all, slow cases that have no target are left out. Results are written to a JSON file after every case.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.availability import obstacles
from benchmarks.case import DATA_VARIABLE, Case
from benchmarks.cases import CASES
from benchmarks.document import GROWTH_PICTURE, RIVALS_PICTURE, STAGES_PICTURE, write_section
from benchmarks.environment import describe_machine
from benchmarks.measure import CaseResult, measure
from benchmarks.pictures import draw_growth, draw_rivals, draw_stages
from benchmarks.processes import worker_command
from benchmarks.report import case_lines
from benchmarks.results_file import Results, read_results, write_results
from mindrcnn.exit_status import EXIT_INPUT

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = Path("benchmarks/results/latest.json")
DOCUMENT = REPOSITORY / "docs" / "performance.md"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="cases whose name contains this text"
    )
    parser.add_argument("--all", action="store_true", help="include slow cases without a target")
    parser.add_argument("--quick", action="store_true", help="run two turns of each case")
    parser.add_argument("--repetitions", type=int, help="number of turns, instead of each case's own")
    parser.add_argument("--threads", type=int, default=2, help="processors for each side (default: 2)")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="the JSON file (default: benchmarks/results/latest.json)"
    )
    parser.add_argument("--data", type=Path, help="a COCO data set with a split val2017, for the evaluation case")
    parser.add_argument(
        "--write-docs", action="store_true", help="write docs/performance.md and its pictures at the end"
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="source",
        metavar="JSON",
        help="read these results and measure nothing, or only the cases of --only again",
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases and exit")
    options = parser.parse_args(argv)
    if options.write_docs and options.only and options.source is None:
        parser.error("--write-docs wants a run without --only, or --from JSON: the page would lose the other cases")
    return options


def chosen_cases(options: argparse.Namespace) -> list[Case]:
    """Returns the cases asked for; named cases include those that are not in the ordinary run."""
    if options.only:
        cases = [case for case in CASES if any(text in case.name for text in options.only)]
    else:
        cases = [case for case in CASES if options.all or case.core]
    if options.data is None:
        for case in cases:
            if case.needs_data:
                print(f"left out without --data: {case.name}", file=sys.stderr)
    return [case for case in cases if options.data is not None or not case.needs_data]


def run_cases(cases: Sequence[Case], options: argparse.Namespace, earlier: Sequence[CaseResult]) -> Results:
    """Measures one case after the other, reporting and saving each; earlier results of other cases are kept."""
    if options.data is not None:
        os.environ[DATA_VARIABLE] = str(options.data.resolve())
    machine = describe_machine(options.threads)
    logs = options.out.parent / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    left_out = obstacles(dict.fromkeys(side for case in cases for side in case.sides))
    for side, reason in left_out.items():
        print(f"left out: {side}: {reason}", file=sys.stderr)
    results = {result.case.name: result for result in earlier}
    for number, case in enumerate(cases):
        prefix = (
            f"[{number + 1}/{len(cases)} {clock(time.monotonic() - started)}{remaining(started, number, len(cases))}]"
        )

        def notify(text: str, prefix: str = prefix) -> None:
            print(f"{prefix} {text}", file=sys.stderr, flush=True)

        repetitions = options.repetitions or (2 if options.quick else case.repetitions)
        result = measure(
            case,
            sides=[side for side in case.sides if side not in left_out],
            command=partial(worker_command, threads=options.threads),
            repetitions=repetitions,
            logs=logs,
            notify=notify,
        )
        results[case.name] = result
        print("\n".join(case_lines(result)), flush=True)
        write_results(options.out, Results(machine=machine, cases=in_order(results)))
    return Results(machine=machine, cases=in_order(results))


def in_order(results: Mapping[str, CaseResult]) -> list[CaseResult]:
    """Sorts results into the order of a whole run."""
    return [results[case.name] for case in CASES if case.name in results]


def write_documents(results: Results) -> None:
    """Writes the generated part of docs/performance.md and its pictures."""
    write_section(DOCUMENT, results)
    draw_stages(results.cases, DOCUMENT.parent / STAGES_PICTURE)
    draw_growth(results.cases, DOCUMENT.parent / GROWTH_PICTURE)
    draw_rivals(results.cases, DOCUMENT.parent / RIVALS_PICTURE)


def remaining(started: float, done: int, total: int) -> str:
    """Returns the time left, estimated from the mean time per case; empty before the first case is done."""
    if not done:
        return ""
    return f", about {clock((time.monotonic() - started) / done * (total - done))} left"


def clock(seconds: float) -> str:
    """Formats seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit status, 1 if a case failed."""
    options = parse(argv)
    if options.list:
        print("\n".join(case.name for case in CASES))
        return 0
    earlier = None if options.source is None else read_results(options.source)
    if earlier is not None and not options.only:
        results = earlier
    else:
        cases = chosen_cases(options)
        if not cases:
            print("no case matches; --list prints all names", file=sys.stderr)
            return EXIT_INPUT
        results = run_cases(cases, options, () if earlier is None else earlier.cases)
        print(f"results in {options.out}", file=sys.stderr)
    if options.write_docs:
        write_documents(results)
    failed = [result for result in results.cases if result.error]
    for result in failed:
        print(f"failed: {result.case.name}: {result.error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
