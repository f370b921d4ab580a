"""The rules, in the order of the report, and the report as text and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mindrcnn.atomic import write_text
from mindrcnn.check.data_rules import anchors_do_not_fit, objects_are_left_out
from mindrcnn.check.evaluation_rules import (
    classes_never_found,
    detections_are_cut,
    evaluation_finds_nothing,
    over_fitting,
    score_threshold,
)
from mindrcnn.check.finding import Finding, NotCheckedError
from mindrcnn.check.loss_rules import (
    learning_rate_too_high,
    loss_does_not_fall,
    not_finite,
    nothing_is_matched,
    one_loss_is_flat,
    waits_for_data,
)
from mindrcnn.check.run import Run, read_run
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.outputs import COMMENT, Output, protect

Rule = Callable[[Run], Finding | None]

RULES: tuple[Rule, ...] = (
    not_finite,
    learning_rate_too_high,
    loss_does_not_fall,
    one_loss_is_flat,
    nothing_is_matched,
    evaluation_finds_nothing,
    over_fitting,
    classes_never_found,
    anchors_do_not_fit,
    objects_are_left_out,
    score_threshold,
    detections_are_cut,
    waits_for_data,
)


def check_run(
    folder: Path, overrides: Sequence[str] = (), *, json_file: Path | None = None, force: bool = False
) -> int:
    """Prints what the rules find in a run; returns EXIT_OK whatever they find.

    folder: the run folder.
    overrides: configuration keys to change, such as data.root.
    json_file: where to write the report as JSON as well.
    force: whether a file of others may be replaced.
    """
    run = read_run(folder, overrides)
    if json_file is not None:
        protect([Output(json_file)], inputs=[], force=force)
    findings, not_checked = apply_rules(run)
    if json_file is not None:
        write_text(json_file, json.dumps(COMMENT | report_json(run, findings, not_checked), indent=1) + "\n")
    sys.stdout.write(report_text(run, findings, not_checked) + "\n")
    return EXIT_OK


def apply_rules(run: Run) -> tuple[dict[str, Finding], dict[str, str]]:
    """Returns the findings by rule, and why the other rules could not be applied."""
    findings: dict[str, Finding] = {}
    not_checked: dict[str, str] = {}
    for rule in RULES:
        try:
            found = rule(run)
        except NotCheckedError as reason:
            not_checked[rule.__name__] = str(reason)
        else:
            if found is not None:
                findings[rule.__name__] = found
    return findings, not_checked


def report_json(run: Run, findings: dict[str, Finding], not_checked: dict[str, str]) -> dict[str, Any]:
    """Returns the report for programs."""
    return {
        "run": str(run.folder),
        "findings": [
            {"rule": name, "title": one.title, "evidence": list(one.evidence), "advice": one.advice}
            for name, one in findings.items()
        ],
        "not_checked": not_checked,
        "checked": [rule.__name__ for rule in RULES if rule.__name__ not in not_checked],
    }


def report_text(run: Run, findings: dict[str, Finding], not_checked: dict[str, str]) -> str:
    """Returns the report for people."""
    steps = run.train[-1]["step"] if run.train else 0
    lines = [f"{run.folder}: {steps} steps, {len(run.evaluations)} evaluations"]
    for name, one in findings.items():
        lines += ["", f"{one.title} ({name})", *(f"  {fact}" for fact in one.evidence)]
        lines += [f"  > {line}" for line in one.advice.splitlines()]
    lines += ["", f"{len(findings)} findings of {len(RULES) - len(not_checked)} rules"]
    lines += [f"not checked: {name}: {reason}" for name, reason in not_checked.items()]
    return "\n".join(lines)
