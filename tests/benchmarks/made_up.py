"""Made-up results."""

from benchmarks.case import MINDRCNN, TORCHVISION, Case
from benchmarks.cases import CASES
from benchmarks.measure import CaseResult, SideResult
from benchmarks.stages import STAGES
from benchmarks.targets import MODEL_ALONE

MIB = 2**20


def side(seconds: list[float], *, mib: int = 1000, compiled: float | None = None, **parts: list[float]) -> SideResult:
    """One side; parts are further timings."""
    return SideResult(
        seconds={"total": seconds, **parts},
        peak_memory=mib * MIB,
        run_peak_memory=mib * MIB // 2,
        compile_seconds=compiled,
    )


def result(name: str, *, group: str, error: str = "", **sides: SideResult) -> CaseResult:
    """A case's result."""
    settings = {"head": "mask_rcnn", "batch": 1, "height": 64, "width": 64}
    case = Case(name=name, group=group, kind=group, settings=settings, sides=(MINDRCNN, TORCHVISION))
    return CaseResult(case=case, sides=dict(sides), error=error)


def everything() -> list[CaseResult]:
    """A result for every case of the table."""
    stages = {name: [0.1] for name in (*STAGES, MODEL_ALONE)}
    return [
        CaseResult(case=case, sides={name: side([0.5 + number / 100], compiled=9.0, **stages) for name in case.sides})
        for number, case in enumerate(CASES)
    ]
