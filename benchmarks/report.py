"""A case's results as text: lines for the terminal, and the formatting of numbers everywhere."""

import statistics

from benchmarks.case import MINDRCNN
from benchmarks.measure import CaseResult, SideResult
from benchmarks.ratios import Ratio, spread
from benchmarks.targets import TARGETS, compared, measured, verdict

MIB = 2**20


def case_lines(result: CaseResult) -> list[str]:
    """Returns the sides' medians with spread, peak memory and compile time, then the ratios, then the targets."""
    lines = [result.case.name]
    lines += [f"    {side:12} {side_line(values)}" for side, values in result.sides.items() if values.seconds]
    for side in result.sides:
        time, memory = compared(result, side), compared(result, side, "memory")
        if side != MINDRCNN and time is not None and memory is not None:
            lines.append(f"    {MINDRCNN} / {side}: time {ratio_text(time)}, memory {memory.median:.2f}")
    for target in TARGETS:
        value = measured(target, {result.case.name: result}) if target.case == result.case.name else None
        if value is not None:
            wanted = f"{target.measure} wanted {target.wanted:g}, required {target.required:g}"
            lines.append(f"    {target.what}: {wanted}: {verdict(target, value)}")
    if result.error:
        lines.append(f"    FAILED {result.error}")
    return lines


def side_line(values: SideResult) -> str:
    """Formats median seconds with spread, peak memory, compile time, and medians of parts if there are any."""
    text = f"{timing_text(values)} of {len(values.seconds['total'])}, peak {values.peak_memory / MIB:.0f} MiB"
    if values.run_peak_memory:
        text += f" ({values.run_peak_memory / MIB:.0f} after the first run)"
    if values.compile_seconds is not None:
        text += f", compiled in {values.compile_seconds:.1f} s"
    parts = [
        f"{name} {duration(statistics.median(times))}" for name, times in values.seconds.items() if name != "total"
    ]
    return f"{text} ({', '.join(parts)})" if parts else text


def timing_text(values: SideResult) -> str:
    """Formats a timing like 1.25 s ±3%."""
    total = values.seconds["total"]
    return f"{duration(statistics.median(total))} ±{spread(total):.0%}"


def ratio_text(found: Ratio) -> str:
    """Formats a ratio like 0.61 (0.58 to 0.65), without brackets if it was measured once."""
    if found.low == found.high:
        return f"{found.median:.2f}"
    return f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


def duration(seconds: float) -> str:
    """Formats seconds in the unit that reads best."""
    if seconds >= 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
