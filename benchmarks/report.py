"""Lines for the terminal."""

from __future__ import annotations

import statistics

from benchmarks.case import OURS, Limit
from benchmarks.measure import CaseResult, SideResult
from benchmarks.ratios import Ratio, ratio, spread

MIB = 2**20


def case_lines(result: CaseResult) -> list[str]:
    """The sides' medians with spread, peak memory and compile time, then the ratios with their limits."""
    lines = [result.case.name]
    lines += [f"    {side:12} {side_line(values)}" for side, values in result.sides.items() if values.seconds]
    lines += [f"    {line}" for line in ratio_lines(result)]
    if result.error:
        lines.append(f"    FAILED {result.error}")
    return lines


def side_line(values: SideResult) -> str:
    """Median seconds, half the span relative to it, memory, compile time."""
    total = values.seconds["total"]
    middle = f"{seconds(statistics.median(total))} ±{spread(total):.0%} of {len(total)}"
    text = f"{middle}, peak {values.peak_memory / MIB:.0f} MiB"
    if values.compile_seconds is not None:
        text += f", compiled in {values.compile_seconds:.1f} s"
    return text


def ratio_lines(result: CaseResult) -> list[str]:
    """Ours to every other side."""
    ours = result.sides.get(OURS)
    if ours is None or "total" not in ours.seconds:
        return []
    lines = []
    for side, other in result.sides.items():
        if side == OURS or len(other.seconds.get("total", ())) != len(ours.seconds["total"]):
            continue
        found = ratio(ours.seconds["total"], other.seconds["total"])
        memory = ours.peak_memory / other.peak_memory
        lines.append(
            f"ours / {side}: time {ratio_text(found)}, memory {memory:.2f}{verdicts(result, side, found, memory)}"
        )
    return lines


def verdicts(result: CaseResult, side: str, time: Ratio, memory: float) -> str:
    """How the ratios stand to the case's limits."""
    text = ""
    for limit in result.case.limits:
        if limit.other == side:
            value = time.median if limit.measure == "seconds" else memory
            text += f"; {limit.measure} wanted {limit.wanted}, required {limit.required}: {verdict(value, limit)}"
    return text


def verdict(value: float, limit: Limit) -> str:
    """One word."""
    if value <= limit.wanted:
        return "reached"
    return "allowed" if value <= limit.required else "MISSED"


def ratio_text(found: Ratio) -> str:
    """0.61 (0.58 to 0.65)."""
    return f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


def seconds(value: float) -> str:
    """In the unit that reads best."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"
