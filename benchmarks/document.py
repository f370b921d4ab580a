"""The part of docs/performance.md that a run writes, between two markers."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.case import INFERENCE_RIVALS, MINDRCNN, NAMES, PORTABLE, TORCHVISION
from benchmarks.measure import CaseResult, SideResult
from benchmarks.report import MIB, duration, ratio_text, timing_text
from benchmarks.results_file import Results
from benchmarks.stages import STAGES
from benchmarks.targets import TARGETS, Target, compared, measured, verdict
from mindrcnn.atomic import write_text

BEGIN, END = "<!-- python -m benchmarks: begin -->", "<!-- python -m benchmarks: end -->"
STAGES_PICTURE, GROWTH_PICTURE = "performance_stages.png", "performance_growth.png"
RIVALS_PICTURE = "performance_rivals.png"
MISSING = "-"


def write_section(document: Path, results: Results) -> None:
    """Replaces the text between the markers. Raises ValueError unless both are there once and in order."""
    text = document.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    old, closed, after = rest.partition(END)
    if not found or not closed or BEGIN in old + after or END in after:
        raise ValueError(f"{document}: wanted one {BEGIN} and after it one {END}")
    write_text(document, f"{before}{BEGIN}\n\n{section(results)}\n\n{END}{after}")


def section(results: Results) -> str:
    """Returns one run as Markdown: machine, targets, models, kernels, stages, growth."""
    by_name = {result.case.name: result for result in results.cases}
    parts = [
        machine_line(results.machine),
        "### Targets\n\n" + targets_table(by_name),
        "### Inference and training steps\n\n" + models_table(results.cases),
        f"### Rivals\n\n![Seconds of each rival]({RIVALS_PICTURE})\n\n" + rivals_table(results.cases),
        "### Kernels\n\n" + kernels_table(results.cases),
        f"### Where the time goes\n\n![Seconds of each stage, both libraries]({STAGES_PICTURE})\n\n"
        + stages_table(results.cases),
        f"### How time and memory grow\n\n![Time and memory, both libraries]({GROWTH_PICTURE})",
    ]
    failed = [f"- `{result.case.name}`: {result.error}" for result in results.cases if result.error]
    if failed:
        parts.append("### Cases that failed\n\n" + "\n".join(failed))
    return "\n\n".join(parts)


def machine_line(machine: Mapping[str, object]) -> str:
    """Describes the machine and the versions of the run."""
    versions = machine["versions"]
    assert isinstance(versions, Mapping)
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Measured on {machine['date']} at commit {machine['commit']}: {machine['processor']}, {machine['threads']} of "
        f"{machine['processors']} processors for either side, load average {machine['load_average']:.1f} at the start; "
        f"Python {machine['python']}, {libraries}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def targets_table(by_name: Mapping[str, CaseResult]) -> str:
    """Lists every target, including those that the run has no value for."""
    rows = []
    for target in TARGETS:
        value = measured(target, by_name)
        rows.append(
            [
                target.what,
                unit(target),
                f"{target.wanted:g}",
                f"{target.required:g}",
                MISSING if value is None else ratio_text(value),
                "not measured" if value is None else verdict(target, value),
            ]
        )
    return table(["What", "Measure", "Wanted, at most", "Required", "Measured", ""], rows)


def unit(target: Target) -> str:
    """Names what a target's numbers are."""
    if target.measure in ("time", "memory"):
        return f"{target.measure}, ours / {NAMES[target.rival]}"
    return "seconds" if target.measure == "compile" else "ratio"


def with_rivals(cases: Sequence[CaseResult]) -> list[CaseResult]:
    """Returns the results that have a rival besides torchvision."""
    return [result for result in cases if not result.error and set(INFERENCE_RIVALS) & set(result.sides)]


def rivals_table(cases: Sequence[CaseResult]) -> str:
    """Lists all sides of each case with rivals, fastest first."""
    rows = []
    for result in with_rivals(cases):
        for name, side in sorted(result.sides.items(), key=lambda item: statistics.median(item[1].seconds["total"])):
            ratio = "" if name == MINDRCNN else ratio_cell(result, name)
            rows.append([f"`{result.case.name}`", NAMES[name], timing(side), ratio, memory(side)])
    return table(["Case", "Side", "Time", "MindRCNN / side", "Peak MiB"], rows)


def models_table(cases: Sequence[CaseResult]) -> str:
    """Lists whole models, including the growth cases and the evaluation."""
    rows = [
        [
            f"`{result.case.name}`",
            *(timing(result.sides.get(side)) for side in (MINDRCNN, TORCHVISION)),
            ratio_cell(result, TORCHVISION),
            *(memory(result.sides.get(side)) for side in (MINDRCNN, TORCHVISION)),
            *(run_memory(result.sides.get(side)) for side in (MINDRCNN, TORCHVISION)),
            compile_time(result.sides.get(MINDRCNN)),
        ]
        for result in cases
        if result.case.group in ("inference", "training", "growth", "evaluation")
    ]
    head = ["Case", "MindRCNN", "torchvision", "Ratio", "Peak MiB", "torchvision", "Peak of runs", "torchvision"]
    return table([*head, "Compile"], rows)


def kernels_table(cases: Sequence[CaseResult]) -> str:
    """Lists kernels, portable operators and torchvision."""
    rows = [
        [
            f"`{result.case.name.removeprefix('kernel/')}`",
            *(timing(result.sides.get(side)) for side in (MINDRCNN, PORTABLE, TORCHVISION)),
            ratio_cell(result, PORTABLE),
            ratio_cell(result, TORCHVISION),
        ]
        for result in cases
        if result.case.group == "kernel"
    ]
    return table(["Function", "Kernel", "Portable", "torchvision", "Kernel / portable", "Kernel / torchvision"], rows)


def stages_table(cases: Sequence[CaseResult]) -> str:
    """Lists the median milliseconds of every stage, one row per side of each case."""
    rows = []
    for result in cases:
        if result.case.kind.endswith("_stages"):
            for name, side in result.sides.items():
                cells = [f"{median_part(side, stage) * 1e3:.0f}" if stage in side.seconds else "" for stage in STAGES]
                rows.append([f"`{result.case.name}`", name, *cells])
    return table(["Milliseconds", "", *STAGES], rows)


def timing(side: SideResult | None) -> str:
    """Formats median and spread."""
    return timing_text(side) if side is not None and side.seconds else MISSING


def memory(side: SideResult | None) -> str:
    """Formats the peak memory of the process."""
    return f"{side.peak_memory / MIB:.0f}" if side is not None and side.seconds else MISSING


def run_memory(side: SideResult | None) -> str:
    """Formats the peak memory of the runs after the first."""
    return f"{side.run_peak_memory / MIB:.0f}" if side is not None and side.seconds else MISSING


def compile_time(side: SideResult | None) -> str:
    """Formats the seconds before the first run."""
    return duration(side.compile_seconds) if side is not None and side.compile_seconds is not None else MISSING


def ratio_cell(result: CaseResult, side: str) -> str:
    """Formats the ratio of this package to `side`."""
    found = compared(result, side)
    return MISSING if found is None else ratio_text(found)


def median_part(side: SideResult, name: str) -> float:
    """Returns the median seconds of a part, 0 if the side does not have it."""
    return statistics.median(side.seconds[name]) if side.seconds.get(name) else 0.0
