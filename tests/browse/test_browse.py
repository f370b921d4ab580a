"""`mindrcnn browse`: its page, its pictures and its server."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from chromium import chromium, rendered
from tool_exports import coco_content, roboflow, write_images, write_json

from mindrcnn.browse.browsing import PAGE, Page, browse
from mindrcnn.browse.samples import LONGEST, open_splits
from mindrcnn.browse.server import HOST, PageHandler, PageServer, open_server
from mindrcnn.config.loader import parse_config
from mindrcnn.config.run import Config
from mindrcnn.errors import InputError
from mindrcnn.programs.browse import main

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = """
name: fruit
model: {{mask: {{type: mask_rcnn}}}}
data:
  root: {root}
  train: {{name: train}}
  val: {{name: valid}}
  buckets: [[64, 96]]
  short_side: 64
  max_objects: 8
  mask_side: 28
  workers: 0
  keep_empty_images: true
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An export of Roboflow with two splits of the same three images: fig and plum, pear, nothing."""
    roboflow(tmp_path / "set")
    (tmp_path / "set/train").rename(tmp_path / "set/valid")
    roboflow(tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture
def config(root: Path) -> Config:
    return parse_config(CONFIG.format(root=root), "made up")


@pytest.fixture
def page(config: Config, tmp_path: Path) -> Page:
    return browse(config, tmp_path / "out", count=10)


def figures(page: Path | str) -> list[str]:
    return re.findall(r"<figure.*?</figure>", page if isinstance(page, str) else page.read_text(), re.DOTALL)


def test_both_splits_are_shown_raw_and_as_the_network_gets_them(page: Page) -> None:
    text = page.file.read_text()
    assert page.images == {"train": 3, "val": 3}
    assert len(figures(text)) == 6
    assert re.findall(r'<img src="(.*?)"', text) == list(page.pictures)
    assert "http" not in re.sub(r"<!--.*?-->", "", text)  # nothing comes from elsewhere
    shapes = {address: cv2.imread(str(page.file.parent / address)).shape[:2] for address in page.pictures}
    # fig and plum: 40 x 60 pixels, enlarged by 8; an input of 64 x 96, enlarged by 5
    assert shapes["pictures/train_001_raw.jpg"] == (320, 480)
    assert shapes["pictures/train_001_network.jpg"] == (320, 480)
    assert all(max(shape) <= LONGEST for shape in shapes.values())


def test_captions_say_what_the_network_gets(page: Page) -> None:
    first, second, third, *_ = figures(page.file)
    assert "a.png" in first
    assert "40 x 60 pixels (height x width); objects: plum 1, fig 1" in first
    assert (
        "input 64 x 96, of which the image fills 64 x 96 (100%); 2 objects, with the augmentation of epoch 1" in first
    )
    assert "input 64 x 96, of which the image fills 64 x 38 (40%); 1 objects" in second
    assert "objects: none" in third
    assert json.loads(unescape(re.search(r'data-classes="(.*?)"', first)[1])) == ["plum", "fig"]  # type: ignore[index]


def test_only_the_training_split_is_augmented(config: Config) -> None:
    always = parse_config(CONFIG.format(root=config.data.root) + "  augment: {flip_prob: 1.0}\n", "made up")
    train, val = open_splits(always, ["train", "val"])
    assert train.loader.single(0).gt_boxes[0, 0].tolist() != val.loader.single(0).gt_boxes[0, 0].tolist()
    assert val.loader.single(0).gt_boxes[0, :2].tolist() == [[80, 48, 96, 64], [4, pytest.approx(6.4), 36, 32]]
    batch = next(iter(train.loader.epoch(0)))
    (index,) = [n for n, record in enumerate(train.loader.records) if record.image_id == batch.image_ids[0]]
    np.testing.assert_array_equal(train.loader.single(index).images, batch.images)  # what training has
    assert train.sample(0).epoch == 1
    assert val.sample(0).epoch is None


def test_choice_by_class_count_and_seed(config: Config, tmp_path: Path) -> None:
    pears = browse(config, tmp_path / "pears", count=10, classes=["pear"], splits=["train"])
    assert pears.images == {"train": 1}
    assert "b.png" in pears.file.read_text()
    chosen = {browse(config, tmp_path / str(n), count=1, seed=n, splits=["val"]).file.read_text() for n in range(8)}
    assert len(chosen) == 3  # each image at some time
    with pytest.raises(InputError, match=r"--class: wanted a class of the data \(nearest: pear\), got 'peer'"):
        browse(config, tmp_path / "x", count=1, classes=["peer"])


def test_names_are_text_whatever_they_contain(tmp_path: Path) -> None:
    content = coco_content()
    odd = "</script><script>alert(1)</script>\"'&"
    content["categories"][0]["name"] = odd
    write_images(tmp_path / "set/train")
    write_json(tmp_path / "set/annotations/instances_train.json", content)
    config = parse_config(CONFIG.format(root=tmp_path / "set"), "made up")
    text = browse(config, tmp_path / "out", count=9, splits=["train"]).file.read_text()
    assert text.count("<script>") == text.count("</script>") == 1
    assert odd in unescape(text)


def test_an_image_that_cannot_be_read_is_an_entry(config: Config, root: Path, tmp_path: Path) -> None:
    (root / "valid/b.png").write_bytes(b"nothing")
    page = browse(config, tmp_path / "out", count=9)
    assert "valid/b.png: " in figures(page.file)[4]
    assert len(page.pictures) == 10


def test_files_of_others_are_kept(config: Config, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / PAGE).write_text("mine")
    with pytest.raises(InputError, match="MindRCNN did not write it"):
        browse(config, tmp_path / "out", count=1)
    browse(config, tmp_path / "out", count=1, force=True)
    browse(config, tmp_path / "out", count=1)  # what was written before may be replaced


def test_the_program(root: Path, tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(CONFIG.format(root=root))
    assert main(["my.yaml", "--count", "2", "--split", "val"]) == 0
    assert capsys.readouterr().out == "2 images of val: browse/fruit/index.html\n"
    assert main(["my.yaml", "--split", "test"]) == 2
    assert "data.test: wanted a split name" in capsys.readouterr().err


@pytest.fixture
def server(page: Page) -> Iterator[PageServer]:
    server = open_server(page.file, page.pictures, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def get(server: PageServer, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_server_gives_the_page_and_its_pictures_and_nothing_else(server: PageServer, page: Page) -> None:
    (page.file.parent / "secret.txt").write_text("x")
    assert get(server, "/") == (200, page.file.read_bytes())
    for address, file in page.pictures.items():
        assert get(server, f"/{address}?x=1") == (200, file.read_bytes())
    outside = ("/secret.txt", "/pictures/", "/../out/secret.txt", "/%2e%2e/set/train/a.png", "/pictures/x.jpg")
    for path in (*outside, "http://[/"):
        assert get(server, path, Host=HOST)[0] == 404
    assert get(server, "/", Host="example.org:80")[0] == 421


def test_a_browser_that_asks_for_nothing_is_let_go(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PageHandler, "timeout", 0.1)
    with socket.create_connection((HOST, server.server_port), timeout=20) as client:
        client.sendall(b"GET / HT")
        assert client.recv(1) == b""


def test_the_server_listens_on_loopback_alone(server: PageServer, page: Page) -> None:
    assert server.server_address[0] == "127.0.0.1"
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(InputError, match=r"--port: cannot listen at 127\.0\.0\.1:"):
            open_server(page.file, page.pictures, taken.getsockname()[1])


def test_ctrl_c_ends_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(CONFIG.format(root=root))
    words = ["browse", "my.yaml", "--serve", "--port", "0", "--count", "1"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "mindrcnn", *words], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    port = int(re.search(r"127\.0\.0\.1:(\d+)/", lines[1])[1])  # type: ignore[index]
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("mindrcnn-browse-*"))


def test_a_browser_shows_it_from_the_server_and_from_disk(server: PageServer, page: Page, tmp_path: Path) -> None:
    chromium()
    for address in (f"http://{HOST}:{server.server_port}/", page.file.as_uri()):
        everything = rendered(f"{address}#class=pear&show=network-only", tmp_path / "profile")
        assert "2 of 6 images" in everything
        hidden = [" hidden" in figure.split(">")[0] for figure in figures(everything)]
        assert hidden == [True, False, True] * 2
        assert '<body class="network-only">' in everything
        assert 'class="missing"' not in everything  # an image that could not be shown
    next(iter(page.pictures.values())).unlink()
    assert 'class="missing"' in rendered(page.file.as_uri(), tmp_path / "profile")
