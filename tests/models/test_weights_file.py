"""Reading weights files: what is written comes back, anything else is an error and never runs."""

import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mindrcnn.errors import InputError
from mindrcnn.models.weights_file import read_weights

SMALL = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.half": np.arange(3, dtype=np.float16),
    "a.num_batches_tracked": np.array(5, np.int64),
}
SUFFIXES = {"zip": "pth", "legacy": "pth", "npz": "npz", "ckpt": "ckpt"}


@pytest.mark.parametrize("kind", SUFFIXES)
def test_small_file_reads_back(kind, writers, tmp_path):
    arrays = read_weights(writers[kind](tmp_path / f"a.{SUFFIXES[kind]}", SMALL)).arrays
    assert set(arrays) == set(SMALL)
    for key, value in SMALL.items():
        assert arrays[key].dtype == value.dtype
        np.testing.assert_array_equal(arrays[key].reshape(value.shape), value)


@pytest.mark.parametrize("kind", SUFFIXES)
def test_truncated_file_is_an_error(kind, writers, tmp_path):
    """Cut anywhere, a file is either an error or, at a border between tensors of a checkpoint, lacks tensors."""
    path = writers[kind](tmp_path / f"a.{SUFFIXES[kind]}", SMALL)
    path.chmod(0o600)
    whole = path.read_bytes()
    messages = []
    for length in np.linspace(0, len(whole) - 1, 20).astype(int):
        path.write_bytes(whole[:length])
        try:
            arrays = read_weights(path).arrays
        except InputError as error:
            messages.append(str(error))
        else:
            assert kind == "ckpt"
            assert len(arrays) < len(SMALL)
    assert all(str(path) in message for message in messages)
    assert len(messages) > 10


@pytest.mark.parametrize("kept_bytes", [-4, -8, -12])
def test_legacy_file_without_its_last_values_is_an_error(kept_bytes, writers, tmp_path):
    """Even when a single value is left, which numpy would spread over the whole tensor."""
    path = writers["legacy"](tmp_path / "a.pth", {"a": np.array([1, 2, 3], np.float32)})
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(InputError, match=r"wanted 3 values, got [012]\b"):
        read_weights(path)


def test_legacy_file_with_another_count_of_values_is_an_error(writers, tmp_path):
    path = writers["legacy"](tmp_path / "a.pth", {"a": np.array([1, 2, 3], np.float32)})
    content = path.read_bytes()
    path.write_bytes(content[:-20] + (2).to_bytes(8, "little") + content[-12:])
    with pytest.raises(InputError, match="wanted 3 values, got 2"):
        read_weights(path)


def hostile_zip(path: Path, pickled: bytes, values: bytes = b"\0" * 16) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", values)
    return path


def swapped(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[bytes, bytes]:
    """Two tuples as they stand inside a pickle."""
    old_bytes, new_bytes = (pickle.dumps(value, protocol=2)[2:-1] for value in (old, new))
    return old_bytes, new_bytes


def hostile_pickles(honest: bytes) -> dict[str, bytes]:
    class Call:
        def __reduce__(self):
            return (print, ("the file ran code",))

    return {
        "builtins.print": pickle.dumps(Call(), protocol=2).replace(b"__builtin__", b"builtins"),
        "os.system": b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00idtR.",
        "torch.nn.Linear": b"\x80\x02ctorch.nn\nLinear\n(tR.",
        "reaches beyond": honest.replace(*swapped((2, 2), (9, 2)), 1),
        "impossible tensor": honest.replace(*swapped((2, 1), (2, -1)), 1),
        "got list": pickle.dumps([1, 2], protocol=2),
        "got int": pickle.dumps({"a": 1}, protocol=2),
        "damaged": honest[:-5],
    }


@pytest.mark.parametrize("wanted", hostile_pickles(b""))
def test_disallowed_pickle_is_an_error_and_is_not_run(wanted, honest_pickle, tmp_path, capfd):
    pickles = hostile_pickles(honest_pickle({"a": np.zeros((2, 2), np.float32)}))
    path = hostile_zip(tmp_path / "hostile.pth", pickles[wanted])
    with pytest.raises(InputError, match=re.escape(wanted)) as error:
        read_weights(path)
    assert str(path) in str(error.value)
    assert "ran code" not in capfd.readouterr().out


def test_damaged_values_are_an_error(writers, tmp_path):
    path = writers["zip"](tmp_path / "a.pth", SMALL)
    content = path.read_bytes()
    stored = SMALL["a.weight"].tobytes()
    assert content.count(stored) == 1
    path.write_bytes(content.replace(stored, stored[::-1]))
    with pytest.raises(InputError, match="damaged"):
        read_weights(path)


def test_other_files_are_an_error(tmp_path):
    archive = tmp_path / "notes.pth"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("readme.txt", "hello")
    text = tmp_path / "weights.pth"
    text.write_text("<html>not found</html>")
    objects = tmp_path / "objects.npz"
    np.savez(objects, a=np.array([{}, []], dtype=object))
    page = tmp_path / "page.ckpt"
    page.write_text("<html>not found</html>")
    faults = [
        (archive, "zip archive of other files"),
        (text, "got none of these"),
        (objects, "plain arrays"),
        (page, "wanted a MindSpore checkpoint"),
        (tmp_path, "Is a directory"),
        (tmp_path / "absent.pth", "No such file"),
    ]
    for path, wanted in faults:
        with pytest.raises(InputError, match=wanted):
            read_weights(path)
