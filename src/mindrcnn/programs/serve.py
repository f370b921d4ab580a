"""The command line of `mindrcnn serve`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import (
    MODEL_HELP,
    add_overrides,
    add_runtime,
    new_parser,
    not_negative,
    parse_intermixed,
    path,
    port_number,
    positive,
    probability,
)

PROG = "mindrcnn serve"
DESCRIPTION = """
Serve a checkpoint or exported model over HTTP. POST /predict takes the content of an image file as its body and answers
with the image's entry of predictions.json; ?score=NUMBER sets the lowest score. GET /model describes the model, GET
/health says that the server runs.

Images that wait are predicted together. SIGTERM and Ctrl-C let the requests that have begun finish. There is no
encryption and no login: leave --host as it is, and put a web server in front. docs/deploy.md has more. pip install
'mindrcnn[serve]' installs what this needs.
"""
EXAMPLES = """
%(prog)s detector.onnx
%(prog)s detector.onnx --backend openvino --port 9000 --batch 4 --queue 32
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("model", type=path, metavar="MODEL", help=MODEL_HELP)
    add_overrides(parser)
    parser.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen at (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=port_number, metavar="N", default=8000, help="its port; 0: any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="most images per forward pass (default: 8; with an exported model of a fixed batch, that)",
    )
    parser.add_argument(
        "--wait",
        type=not_negative,
        metavar="MS",
        default=5,
        help="milliseconds that an image waits for others to fill its batch (default: %(default)s)",
    )
    parser.add_argument(
        "--queue",
        type=positive,
        metavar="N",
        default=64,
        help="most requests at a time; further ones are answered with status 503 (default: %(default)s)",
    )
    parser.add_argument(
        "--max-mb", type=positive, metavar="N", default=20, help="largest image file in MB (default: %(default)s)"
    )
    parser.add_argument(
        "--score",
        type=probability,
        metavar="NUMBER",
        default=0.5,
        help="lowest score of a prediction where a request names none (default: %(default)s)",
    )
    add_runtime(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parse_intermixed(parser, words)


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Serves as the arguments say."""
    from mindrcnn.opening import Runtime
    from mindrcnn.tasks.serving.limits import Limits
    from mindrcnn.tasks.serving.server import serve

    return serve(
        arguments.model,
        arguments.overrides,
        host=arguments.host,
        port=arguments.port,
        limits=Limits(wait=arguments.wait / 1000, requests=arguments.queue, bytes=arguments.max_mb * 1_000_000),
        batch=arguments.batch,
        score=arguments.score,
        runtime=Runtime(arguments.backend, arguments.device),
    )


if __name__ == "__main__":
    sys.exit(main())
