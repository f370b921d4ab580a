"""Altered files for every reader and five programs; anything but success or an InputError is a fault.

python -m fuzz [--mutations 2000] [--seed 0] [--only NAME ...] [--case NUMBER]

Files kept in fuzz/kept/NAME/ are tried first. A fault names the target, seed and number that repeat it:
python -m fuzz --only NAME --seed SEED --case NUMBER runs it in this process, with its traceback.
"""

import argparse
import logging
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

from fuzz.programs import program_targets
from fuzz.readers import reader_targets
from fuzz.sandbox import GOOD, outcomes
from fuzz.seeds import Seeds
from fuzz.target import Target

KEPT = Path(__file__).parent / "kept"
logger = logging.getLogger("mindrcnn.fuzz")


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--mutations", type=int, default=2000, help="altered files in all (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the alterations (default: 0)")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="targets (default: all)")
    parser.add_argument("--case", type=int, metavar="NUMBER", help="run this one case in this process")
    return parser.parse_args(words)


def try_target(target: Target, *, seed: int, count: int) -> tuple[Counter[str], list[str]]:
    """Runs the kept files and `count` altered ones; returns how they ended, and a line for each fault."""
    kept = sorted((KEPT / target.name).glob("*"))
    names = [f"kept {path.name}" for path in kept] + [f"--seed {seed} --case {n}" for n in range(count)]
    cases = [partial(_try_kept, target, path) for path in kept]
    cases += [partial(_try_case, target, seed, number) for number in range(count)]
    tally: Counter[str] = Counter()
    faults = []
    for name, outcome in zip(names, outcomes(cases), strict=True):
        tally[outcome if outcome in GOOD else "fault"] += 1
        if outcome not in GOOD:
            faults.append(f"--only {target.name} {name}: {outcome}")
    return tally, faults


def _try_kept(target: Target, path: Path) -> object:
    return target.try_content(path.read_bytes())


def _try_case(target: Target, seed: int, number: int) -> object:
    return target.try_content(target.case(seed, number))


def main(words: list[str] | None = None) -> int:
    """Runs the targets; returns 1 if there was a fault."""
    arguments = parse_arguments(words)
    with tempfile.TemporaryDirectory() as folder:
        seeds = Seeds(Path(folder))
        targets = [*reader_targets(seeds), *program_targets(seeds)]
        chosen = [one for one in targets if not arguments.only or one.name in arguments.only]
        if arguments.case is not None:
            for target in chosen:
                target.try_content(target.case(arguments.seed, arguments.case))
            return 0
        whole = sum(target.share for target in chosen)
        total: Counter[str] = Counter()
        for target in chosen:
            count = round(arguments.mutations * target.share / whole)
            tally, faults = try_target(target, seed=arguments.seed, count=count)
            total += tally
            sys.stdout.write(f"{target.name:20s} {dict(tally)}\n" + "".join(f"  {fault}\n" for fault in faults))
            sys.stdout.flush()
        sys.stdout.write(f"{'all':20s} {dict(total)}\n")
    return 1 if total["fault"] else 0


if __name__ == "__main__":
    sys.exit(main())
