"""The page and its files: names stay text, thumbnails, metrics.json, and a look at it in a browser if there is one."""

import json
import re

import numpy as np
import pytest
from chromium import Browser, chromium
from report_sides import entries, ground_truth, sides

from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import read_json
from mindrcnn.report import thumbnails as thumbnails_module
from mindrcnn.report.document import Options, Run, make_document
from mindrcnn.report.files import add_to_metrics, report_outputs, write_report
from mindrcnn.report.page import embedded_json
from mindrcnn.report.thumbnails import Thumbnails, encode_small

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    '"><b>${1}$title`\\u003c {{7*7}}',
)
BOX, OTHER, FAR = [50, 50, 40, 40], [110, 50, 40, 40], [150, 150, 20, 20]
WRITE_ALL = 12  # images


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of two runs whose class, file and run names are markup and program text."""
    folder = tmp_path_factory.mktemp("report")
    first, second, third = HOSTILE
    objects = [(image, name, box) for image in range(1, WRITE_ALL + 1) for name, box in ((first, BOX), (second, OTHER))]
    truth = ground_truth(objects, images=WRITE_ALL, classes=HOSTILE)
    for image in truth.images:
        image["file_name"] = f"{image['id']}{HOSTILE[image['id'] % 3]}\udc80.jpg"
    seen = [(image, first, BOX, 0.9) for image in range(1, WRITE_ALL + 1)]
    seen += [(image, first, OTHER, 0.8) for image in range(1, 8)] + [(3, third, FAR, 0.95), (4, second, FAR, 0.2)]
    arrays, found = sides(truth, entries(seen, HOSTILE))
    better = sides(truth, entries([*seen, *((image, second, OTHER, 0.9) for image in range(4, 12))], HOSTILE))[1]
    runs = [
        Run(name=f"run {third}", found=found, settings={"train.batch_size": "2", "name": first}),
        Run(name=second, found=better, settings={"train.batch_size": "4", "name": first}),
    ]
    document, images = make_document(arrays, runs, Options(kinds=("bbox",), max_detections=100, resamples=40))
    copies = Thumbnails(lambda image: np.full((200, 200, 3), 20 * image, np.uint8), folder / "report_images")
    copies.make(images)
    write_report(folder, document, images, copies)
    return folder


def test_every_file_is_one_that_may_be_replaced_and_metrics_take_the_numbers(report, tmp_path):
    for output in report_outputs(report):
        assert output.is_ours(output.path), output.path
    document = read_json(report / "report.json")
    metrics = tmp_path / "metrics.json"
    add_to_metrics(metrics, document)
    assert not metrics.exists()
    metrics.write_text('{"bbox": {"AP": 0.5}}')
    add_to_metrics(metrics, document)
    written = read_json(metrics)
    assert written["bbox"] == {"AP": 0.5}
    assert written["report"]["kinds"]["bbox"]["error_kinds"] == document["kinds"]["bbox"]["error_kinds"]
    assert "gallery" not in written["report"]


def test_data_in_the_page_cannot_end_its_element():
    text = embedded_json({"name": HOSTILE})
    assert not set("<>&") & set(text)
    assert tuple(json.loads(text)["name"]) == HOSTILE
    assert text.isascii()


def test_the_page_holds_no_markup_of_names_and_no_address(report):
    page = (report / "report.html").read_text(encoding="utf-8")
    assert page.count("<script") == page.count("</script") == 2
    assert "<img" not in page
    assert "<b>" not in page
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}  # a name, not a place


def test_copies_beyond_the_room_in_the_page_go_beside_it(tmp_path, monkeypatch, caplog):
    noise = np.random.default_rng(0).integers(0, 255, (600, 900, 3)).astype(np.uint8)
    size = len(encode_small(noise))
    monkeypatch.setattr(thumbnails_module, "WITHIN_PAGE", size)

    def read(image):
        if image > 4:
            raise InputError("gone")
        return noise

    copies = Thumbnails(read, tmp_path / "report images")
    copies.make([2, 5, 1, 6])
    copies.write()
    assert copies.links[2].startswith("data:image/jpeg;base64,")
    assert copies.links[1] == "report%20images/1.jpg"
    assert copies.links.keys() == {1, 2}
    assert [path.name for path in (tmp_path / "report images").iterdir()] == ["1.jpg"]
    assert "2 images without their pixels" in caplog.text
    copies.write()  # a second report may replace what the first wrote
    (tmp_path / "report images" / "1.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match="MindRCNN did not write it"):
        copies.write()


@pytest.fixture(scope="module")
def browser():
    browser = Browser(chromium())
    yield browser
    browser.close()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_fits_its_window_and_reports_no_error(browser, report, width, dark):
    browser.open(report / "report.html", width=width, dark=dark)
    assert browser.errors == []
    assert browser.ask("window.hacked") is None
    assert browser.ask("document.documentElement.scrollWidth") <= width
    sections = browser.ask("[...document.querySelectorAll('section')].map((one) => one.id)")
    assert " ".join(sections) == "summary comparison tables errors confusion thresholds calibration gallery"
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(21, 22, 26)" if dark else "rgb(251, 251, 250)")


def test_the_first_screen_shows_the_worst_class_and_its_main_error(browser, report):
    browser.open(report / "report.html")
    text = browser.ask("document.getElementById('summary').innerText")
    assert f"Worst class: {HOSTILE[1]}" in text
    assert "95 % interval" in text
    assert "What to do:" in text
    assert browser.ask("document.getElementById('summary').getBoundingClientRect().bottom") <= 900
    browser.ask("[...document.querySelectorAll('#summary a')].at(-1).click()")  # the main error of all classes
    chosen = browser.ask("[...document.querySelectorAll('#filters select')].map((one) => one.value)")
    assert [chosen[0], chosen[1], chosen[3]] == ["images", "", ""]
    assert chosen[2] != ""
    assert found(browser) != "0"


def found(browser):
    return browser.ask("document.getElementById('found').textContent").split()[0]


def choose(browser, label, value):
    browser.ask(f"""(() => {{
        const labels = [...document.querySelectorAll("#filters label")];
        const list = labels.find((one) => one.textContent.startsWith("{label}"));
        const input = list.querySelector("select, input");
        input.value = "{value}";
        input.dispatchEvent(new Event(input.tagName === "SELECT" ? "change" : "input"));
    }})()""")


def test_the_gallery_filters_by_class_kind_size_and_score(browser, report):
    browser.open(report / "report.html")
    assert found(browser) == "12"  # every image has an object of the second class that is not found
    choose(browser, "kind", 1)
    assert found(browser) == "7"  # the second class taken for the first
    choose(browser, "class", 2)
    assert found(browser) == "0"
    choose(browser, "kind", 5)
    assert found(browser) == "1"
    choose(browser, "score to", 0.5)
    assert found(browser) == "0"
    choose(browser, "score to", 1)
    choose(browser, "size", 2)
    assert found(browser) == "0"
    choose(browser, "size", 1)
    assert found(browser) == "1"
    choose(browser, "class", "")
    choose(browser, "kind", "")
    choose(browser, "size", "")
    choose(browser, "show", "mistakes")
    assert found(browser) == "9"
    assert "0.95 background" in browser.ask("document.querySelector('.card').getAttribute('aria-label')")


def test_the_keyboard_moves_through_the_gallery(browser, report):
    browser.open(report / "report.html")
    title = "document.querySelector('#detail strong').textContent"
    browser.press("j")
    browser.ask("document.activeElement.click()")
    first = browser.ask(title)
    browser.press("ArrowRight")
    assert browser.ask(title) != first
    browser.press("ArrowLeft")
    assert browser.ask(title) == first
    assert browser.ask("document.querySelectorAll('#detail .panes figure').length") == 3  # truth and both runs
    browser.press("m")
    browser.ask("document.getElementById('detail').close()")
    assert browser.errors == []


def test_the_comparison_says_whether_the_difference_is_noise(browser, report):
    browser.open(report / "report.html")
    text = browser.ask("document.getElementById('comparison').innerText")
    assert f"{HOSTILE[1]} is better by more than chance" in text
    assert "train.batch_size" in text
    columns = "[...document.querySelector('#comparison thead').querySelectorAll('th')].map((one) => one.textContent)"
    assert browser.ask(columns)[1:3] == ["difference", "verdict"]  # a phone shows no more
    browser.ask("document.querySelector('#comparison td button').click()")
    assert browser.ask("document.getElementById('detail').open")
    browser.ask("document.getElementById('detail').close()")


def test_a_column_sorts_when_its_name_is_clicked(browser, report):
    browser.open(report / "report.html")
    first = "document.querySelectorAll('#tables table')[1].querySelector('tbody td').textContent"
    before = browser.ask(first)
    browser.ask("document.querySelectorAll('#tables table')[1].querySelectorAll('thead button')[1].click()")
    assert browser.ask(first) != before
