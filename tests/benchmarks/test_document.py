"""The JSON file and the generated part of the document, from made-up results."""

from pathlib import Path

import pytest
from benchmarks.document import BEGIN, END, section, write_section
from benchmarks.measure import CaseResult
from benchmarks.pictures import draw_growth, draw_rivals, draw_stages
from benchmarks.report import case_lines, duration
from benchmarks.results_file import Results, read_results, write_results
from benchmarks.stages import STAGES
from made_up import everything, result, side

MACHINE = {
    "processor": "Some CPU",
    "processors": 4,
    "threads": 2,
    "load_average": 0.25,
    "python": "3.11.1",
    "versions": {"mindspore": "2.8.0"},
    "commit": "abc1234",
    "date": "2026-01-02",
}


def made_up_cases() -> list[CaseResult]:
    return [
        result(
            "inference/mask_rcnn/512x512/batch1",
            group="inference",
            mindrcnn=side([0.5, 0.7, 0.6], mib=700, compiled=12.34),
            torchvision=side([1.0, 1.0, 1.0], mib=1400),
        ),
        result(
            "kernel/nms/4000",
            group="kernel",
            mindrcnn=side([0.002]),
            portable=side([0.02]),
            torchvision=side([0.008]),
        ),
        result("training/broken", group="training", error="torchvision: ended with status 9"),
    ]


def row(text: str, start: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_file_reads_back(tmp_path: Path) -> None:
    results = Results(machine=MACHINE, cases=made_up_cases())
    write_results(tmp_path / "folder" / "file.json", results)
    assert read_results(tmp_path / "folder" / "file.json") == results


def test_tables_have_times_ratios_memory_and_compile_time() -> None:
    text = section(Results(machine=MACHINE, cases=made_up_cases()))
    model = row(text, "`inference/mask_rcnn/512x512/batch1`")
    assert model[1:] == ["600 ms ±17%", "1.00 s ±0%", "0.60 (0.50 to 0.70)", "700", "1400", "350", "700", "12.3 s"]
    assert row(text, "`nms/4000`")[1:] == ["2 ms ±0%", "20 ms ±0%", "8 ms ±0%", "0.10", "0.25"]
    assert row(text, "`training/broken`")[1:] == ["-"] * 8


def test_rivals_are_listed_fastest_first_with_our_ratio_to_each() -> None:
    ours = result("inference/mask_rcnn/512x512/batch1", group="inference", mindrcnn=side([0.6], mib=700))
    ours.sides |= {"openvino": side([1.0]), "torchvision": side([2.0]), "own_openvino": side([0.5])}
    text = section(Results(machine=MACHINE, cases=[ours]))
    rows = [line.split("|")[2:5] for line in text.splitlines() if line.startswith(f"| `{ours.case.name}` |")]
    assert [[cell.strip() for cell in cells] for cells in rows[1:]] == [
        ["our export, OpenVINO", "500 ms ±0%", "1.20"],
        ["MindRCNN", "600 ms ±0%", ""],
        ["torchvision's export, OpenVINO", "1.00 s ±0%", "0.60"],
        ["torchvision", "2.00 s ±0%", "0.30"],
    ]
    targets = [line for line in text.splitlines() if "| time, ours / torchvision's export, OpenVINO |" in line]
    assert "| 0.60 | reached |" in targets[0]


def test_targets_say_whether_they_are_reached() -> None:
    text = section(Results(machine=MACHINE, cases=made_up_cases()))
    measure = "time, ours / torchvision"
    assert row(text, f"inference, Mask R-CNN, 512x512 | {measure}")[-2:] == ["0.60 (0.50 to 0.70)", "reached"]
    assert row(text, f"inference, Mask R-CNN, 800x1344 | {measure}")[-2:] == ["-", "not measured"]


def test_stages_have_a_row_for_each_side() -> None:
    text = section(Results(machine=MACHINE, cases=everything()))
    rows = [line for line in text.splitlines() if line.startswith("| `training_stages/mask_rcnn/512x512/batch1` |")]
    assert [line.split("|")[2].strip() for line in rows] == ["mindrcnn", "torchvision"]
    assert rows[0].count(" 100 |") == len(STAGES)


def test_failures_are_named() -> None:
    text = section(Results(machine=MACHINE, cases=made_up_cases()))
    assert "- `training/broken`: torchvision: ended with status 9" in text
    assert "FAILED torchvision" in case_lines(made_up_cases()[2])[-1]


def test_only_the_text_between_the_markers_changes(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\n## After\n")
    for _ in range(2):  # the second time it finds its own text
        write_section(document, Results(machine=MACHINE, cases=made_up_cases()))
    text = document.read_text()
    assert text.startswith(f"# Title\n\n{BEGIN}\n\nMeasured on 2026-01-02")
    assert text.endswith(f"\n\n{END}\n\n## After\n")
    assert "old" not in text


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_markers_that_are_not_one_pair_leave_the_document_alone(tmp_path: Path, text: str) -> None:
    document = tmp_path / "page.md"
    document.write_text(text)
    with pytest.raises(ValueError, match=r"page\.md: wanted one"):
        write_section(document, Results(machine=MACHINE, cases=[]))
    assert document.read_text() == text


def test_pictures_are_drawn_from_any_results(tmp_path: Path) -> None:
    for cases in ([], made_up_cases(), everything()):
        draw_stages(cases, tmp_path / "stages.png")
        draw_growth(cases, tmp_path / "growth.png")
        draw_rivals(cases, tmp_path / "rivals.png")
    assert (tmp_path / "stages.png").stat().st_size > 0
    assert (tmp_path / "growth.png").stat().st_size > 0
    assert (tmp_path / "rivals.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00123456, "1.23 ms"), (0.5, "500 ms"), (1.234, "1.23 s"), (12.34, "12.3 s")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
