"""The report of an examination, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mindrcnn.data.findings import EXAMPLES, Finding, Findings, Kind
from mindrcnn.data.survey import Survey

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


def report_text(survey: Survey, findings: Findings, *, decoded: int | None, view: Sequence[str] = ()) -> str:
    """Returns the report as text.

    survey: the split's numbers.
    findings: what was found.
    decoded: number of images that were decoded; None if that was not asked for.
    view: lines about what the network gets.
    """
    content = report_json(survey, findings, decoded=decoded)
    lines = [
        str(survey.source),
        f"{content['images']} images, {content['objects']} usable objects, of which {content['crowds']} "
        f"are crowds ({survey.crowd_share:.1%}); {len(survey.classes)} classes",
        "images were not decoded" if decoded is None else f"{decoded} images decoded",
        "",
        f"{'':24}{'least':>10}{'5 %':>10}{'median':>10}{'95 %':>10}{'most':>10}",
        *(_row(name, values) for name, values in content["distributions"].items()),
        "",
        f"{'label':>5}  {'category id':>11}  {'objects':>9}  class",
        *(
            f"{entry['label']:>5}  {entry['category_id']:>11}  {entry['objects']:>9}  {entry['name']}"
            for entry in content["classes"]
        ),
        "",
        *view,
        *_section("ERRORS, at which training would fail", findings.select(errors=True)),
        *_section("WARNINGS", findings.select(errors=False)),
        "Training would fail." if findings.has_errors else "Training would not fail.",
    ]
    return "\n".join(lines)


def report_json(survey: Survey, findings: Findings, *, decoded: int | None) -> dict[str, Any]:
    """Returns the report for programs, with findings by the names of Kind."""
    sizes, (width, height) = survey.known_sizes, _sides(survey)
    return {
        "source": str(survey.source),
        "images": len(survey.names),
        "objects": len(survey.labels),
        "crowds": int(survey.crowd.sum()),
        "decoded_images": decoded,
        "distributions": {
            "image width": _quantiles(sizes[:, 1]),
            "image height": _quantiles(sizes[:, 0]),
            "image width / height": _quantiles(sizes[:, 1] / sizes[:, 0]),
            "objects per image": _quantiles(survey.slots_per_image),
            "object width": _quantiles(width),
            "object height": _quantiles(height),
            "object width / height": _quantiles(width / height),
        },
        "classes": [
            {"label": label, "category_id": category_id, "objects": int(count), "name": name}
            for label, (name, category_id, count) in enumerate(
                zip(survey.classes, survey.category_ids, survey.per_class, strict=True), start=1
            )
        ],
        "errors": _entries(findings.select(errors=True)),
        "warnings": _entries(findings.select(errors=False)),
    }


def _sides(survey: Survey) -> tuple[np.ndarray, np.ndarray]:
    sides = survey.boxes[:, 2:] - survey.boxes[:, :2]
    return sides[:, 0], sides[:, 1]


def _quantiles(values: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in np.quantile(values, QUANTILES)] if len(values) else []


def _row(name: str, values: list[float]) -> str:
    return f"{name:24}" + "".join(f"{value:10.4g}" for value in values)


def _section(title: str, found: list[tuple[Kind, Finding]]) -> list[str]:
    if not found:
        return []
    lines = [title]
    for kind, finding in found:
        lines.append(f"  {finding.count} {kind.title}")
        lines += [f"    {example}" for example in finding.examples]
        if finding.count > EXAMPLES:
            lines.append("    ...")
    return [*lines, ""]


def _entries(found: list[tuple[Kind, Finding]]) -> dict[str, Any]:
    return {
        kind.name.lower(): {"title": kind.title, "count": finding.count, "examples": finding.examples}
        for kind, finding in found
    }
