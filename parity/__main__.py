"""Comparison with every case in a folder, written as tables.

python -m parity GOLDEN [CASE ...] --out docs/parity.md
"""

import argparse
import logging
import sys
from pathlib import Path

from mindrcnn.atomic import write_text
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.exit_status import EXIT_OK, run
from parity.case import case_names
from parity.run import compare_case
from parity.table import parity_page

logger = logging.getLogger("mindrcnn.parity")  # __name__ is __main__ here


def parse_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m parity", description=__doc__)
    parser.add_argument("golden", type=Path, help="folder of the cases")
    parser.add_argument("cases", nargs="*", help="cases to compare (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="page to write")
    return parser.parse_args()


def main(golden: Path, names: list[str], out: Path) -> int:
    """Compares the cases and writes the page; returns the exit status."""
    setup_logging()
    results, sources = {}, {}
    for name in names or case_names(golden):
        sources[name], results[name] = compare_case(golden, name)
        for one in results[name]:
            logger.log(logging.INFO if one.holds else logging.WARNING, "%s: %s", name, one)
    write_text(out, parity_page(results, sources))
    return EXIT_OK


if __name__ == "__main__":
    arguments = parse_arguments()
    sys.exit(run(lambda: main(arguments.golden, arguments.cases, arguments.out)))
