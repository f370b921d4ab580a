"""What the words of a command line name, and what is left out."""

import io
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mindrcnn.errors import InputError
from mindrcnn.tasks.sources import cameras, urls
from mindrcnn.tasks.sources.entry import Search
from mindrcnn.tasks.sources.search import Shard, find_entries

WHOLE = Shard()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of several kinds, in which the tests run; nothing is read before its turn comes."""
    for name in (
        *("b.JPG", "a.png", "notes.md", "c.heic2", "d.heic2", "clip.MP4", ".hidden.jpg"),
        *("deep/a.png", "deep/er/e.jpg", "found/a.jpg", "found/predictions.json", "007"),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(words: list[str], search: Search | None = None, shard: Shard = WHOLE) -> list[str]:
    return [named.entry.name for named in find_entries(words, search or Search(), shard)]


def test_a_folder_and_what_was_left_out(folder: Path) -> None:
    search = Search(out=Path("found"))
    assert names(["."], search) == ["a.png", "b.JPG", "clip.MP4"]
    assert search.left_out.lines() == [
        "4 files of other kinds: .heic2 2, no suffix 1, .md 1",
        "1 folder, which --recursive enters",
        "1 hidden file or folder",
    ]


def test_recursively_but_not_into_the_results(folder: Path) -> None:
    (folder / "deep" / "loop").symlink_to(folder)
    search = Search(recursive=True, out=Path("found"))
    assert names(["."], search) == ["a.png", "b.JPG", "clip.MP4", "deep/a.png", "deep/er/e.jpg"]
    assert "2 files in the output folder" in search.left_out.lines()
    assert names(["found"], search) == ["found/a.jpg"]  # unless that is what is asked for


def test_patterns_and_single_files(folder: Path) -> None:
    search = Search(out=Path("found"))
    assert names(["*.png", "**/*.jpg"], search) == ["a.png", "deep/er/e.jpg"]
    (folder / "itself").symlink_to("itself")
    assert names(["**"], search) == ["a.png", "b.JPG", "clip.MP4", "deep/a.png", "deep/er/e.jpg"]
    assert names(["notes.md", "007", "c.heic2"]) == ["notes.md", "007", "c.heic2"]
    assert names(["a.png", "*.png", "./a.png"]) == ["a.png"]


def test_the_missing_plugin_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindrcnn.tasks.sources.files.readable_suffixes", lambda: frozenset({".jpg"}))
    monkeypatch.setattr(
        "mindrcnn.tasks.sources.entry.missing_plugin", lambda suffix: "pillow-png" if suffix == ".png" else ""
    )
    with pytest.raises(InputError, match=r"left out: 1 file of another kind: \.png 1 \(pip install pillow-png reads"):
        names(["deep"])


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
def test_lists_from_a_file_and_from_standard_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch, separator: str
) -> None:
    lines = ["\ufeffa.png", "", "# no image", "deep/er", "er/../a.png", "absent.jpg", "https://example.org/x/p.jpg"]
    text = separator.join(lines).encode()
    expected = ["a.png", "deep/er/e.jpg", "deep/er/../a.png", "absent.jpg", "https://example.org/x/p.jpg"]
    (folder / "deep" / "list.TXT").write_bytes(text)
    assert names(["deep/list.TXT"]) == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.replace(b"er/..", b"deep/er/.."))))
    assert names(["-"]) == expected


def test_a_wrong_line_is_named(folder: Path) -> None:
    (folder / "list.txt").write_text("a.png\nftp://example.org/a.png\n")
    with pytest.raises(InputError, match=r"list\.txt: line 2: ftp://.*https:// or http://, got ftp://"):
        names(["list.txt"])
    (folder / "empty.txt").write_text("\n# nothing\n")
    with pytest.raises(InputError, match=r"empty\.txt: wanted a list of images, one a line, got none"):
        names(["empty.txt"])


def test_titles_and_numbers_are_those_of_the_whole_run(folder: Path) -> None:
    search = Search(recursive=True)
    everything = find_entries(["."], search, WHOLE)
    assert [named.title for named in everything] == ["a", "b", "clip", "a_2", "e", "a_3"]
    parts = [find_entries(["."], search, Shard(number, 4)) for number in (1, 2, 3, 4)]
    assert sorted((one for part in parts for one in part), key=lambda one: one.number) == everything
    assert [len(part) for part in parts] == [2, 2, 1, 1]
    assert Shard(3, 16).suffix == "_3-of-16"


@pytest.mark.parametrize("number", [0, 17])
def test_parts_that_do_not_exist(number: int) -> None:
    with pytest.raises(InputError, match=f"shard: wanted one of 1/16 to 16/16, got {number}/16"):
        Shard(number, 16)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "wanted an image, a video, .*, got an empty text$"),
        ("missing.jpg", "missing.jpg: wanted an image, a video, .*, got no such file or folder"),
        ("missing/*.jpg", r"missing/\*.jpg: wanted images or videos, got none$"),
        ("file:///etc/passwd", "wanted an address that begins with https:// or http://, got file://"),
        ("https:///a.jpg", "wanted the address of an image or video, got one without a server"),
        ("https://[a/b.jpg", "wanted the address of an image or video, got one without a server"),
        ("77", "77: wanted the number of a camera, got one that cannot be opened"),
    ],
)
def test_words_that_name_nothing(folder: Path, word: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        names([word])


def test_a_camera(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(cameras, "open_camera", lambda number, every: opened.append((number, every)) or iter(()))
    (named,) = find_entries(["0"], Search(every=3), WHOLE)
    assert (named.entry.name, named.title, named.entry.is_endless) == ("camera 0", "camera_0", True)
    assert opened == [(0, 3)]
    (folder / "0").mkdir()
    (folder / "0" / "a.jpg").touch()
    assert names(["0"]) == ["0/a.jpg"]


class TestUrls:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Callable[[str], str]]:
        """A server of a picture, a video, a text, a large file and a redirection to a file of the machine."""
        picture = io.BytesIO()
        Image.new("RGB", (8, 6), "red").save(picture, "PNG")
        clip = tmp_path / "served.avi"
        writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"MJPG"), 10, (16, 16))
        for _ in range(5):
            writer.write(np.zeros((16, 16, 3), np.uint8))
        writer.release()
        answers = {"/a b.png": picture.getvalue(), "/clip.avi": clip.read_bytes(), "/text.png": b"no picture"}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0].replace("%20", " ")
                if path == "/away.png":
                    self.send_response(302)
                    self.send_header("Location", f"file://{clip}")
                    self.end_headers()
                    return
                content = answers.get(path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            yield lambda path: f"http://127.0.0.1:{server.server_port}{path}"
            server.shutdown()
            thread.join()

    def test_an_image_and_a_video(self, server: Callable[[str], str]) -> None:
        image, video = find_entries([server("/a%20b.png?size=9"), server("/clip.avi")], Search(every=2), WHOLE)
        assert (image.title, video.title) == ("a b", "clip")
        (item,) = image.items()
        assert (item.size, item.frame, item.name) == ((6, 8), None, server("/a%20b.png?size=9"))
        assert item.image()[0, 0].tolist() == [255, 0, 0]
        frames = [(item.frame, item.seconds, item.rate) for item in video.items()]
        assert frames == [(0, 0.0, 5.0), (2, 0.2, 5.0), (4, 0.4, 5.0)]

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/text.png", r"http://.*/text\.png: text\.png: wanted an image"),
            ("/absent.png", r"cannot download http://.*: the server answered 404"),
            ("/away.png", r"cannot download http://.*[Rr]edirection to"),
            ("/clip.avi?large", r"wanted a file of at most 0 MB, got one of at least"),
        ],
    )
    def test_what_cannot_be_had(
        self, server: Callable[[str], str], path: str, message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(urls, "LARGEST_VIDEO", 100)
        (named,) = find_entries([server(path)], Search(), WHOLE)
        with pytest.raises(InputError, match=message):
            list(named.items())
