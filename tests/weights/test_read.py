"""Reading weights files: what is written comes back, anything else is an error and never runs."""

import json
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mindrcnn.errors import InputError
from mindrcnn.weights.read import read_weights

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
        (text, "got something else"),
        (objects, "plain arrays"),
        (page, "wanted a MindSpore checkpoint"),
        (tmp_path, "wanted a file, got a folder"),
        (tmp_path / "absent.pth", "no such weights file"),
    ]
    for path, wanted in faults:
        with pytest.raises(InputError, match=wanted):
            read_weights(path)


class CallsPrint:
    """Pickles as a call of print."""

    def __reduce__(self):
        return (print, ("the file ran code",))


def test_pickle_of_arrays_reads_back(tmp_path):
    path = tmp_path / "model.pkl"
    for protocol in (2, 3, 4):
        path.write_bytes(pickle.dumps({"model": SMALL, "__author__": "someone", "epoch": np.float64(3)}, protocol))
        file = read_weights(path)
        assert file.kind == "pickle"
        assert file.meta == {"__author__": "someone", "epoch": 3.0}
        assert set(file.arrays) == set(SMALL)
        for name, value in SMALL.items():
            np.testing.assert_array_equal(file.arrays[name], value)
            assert file.arrays[name].dtype == value.dtype


def test_arrays_in_other_orders(tmp_path):
    values = {"big": np.arange(3, dtype=">f4"), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(values, protocol=2))
    arrays = read_weights(path).arrays
    for name, value in values.items():
        np.testing.assert_array_equal(arrays[name], value)


def test_pickle_of_python_2(tmp_path):
    """There raw bytes were texts: numpy's state of an array holds them as a str."""
    path = tmp_path / "R-50.pkl"
    data = np.array([1.5, -2.0], np.float32).tobytes()
    text = b"U" + bytes([len(data)]) + data
    path.write_bytes(
        b"\x80\x02}U\x05conv1cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89" + text + b"tbs."
    )
    np.testing.assert_array_equal(read_weights(path).arrays["conv1"], np.array([1.5, -2.0], np.float32))


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        ({"model": {"a": CallsPrint()}}, "print"),
        ({"model": {"a": np.array([{}], object)}}, "'O8' is not plain numbers"),
        ({"model": {"a": "text"}}, "got str as 'a'"),
        ([1], "got list"),
        (zipfile.ZipInfo("a"), "zipfile.ZipInfo is not part of a state dict"),
    ],
)
def test_disallowed_pickle_of_arrays_is_an_error_and_is_not_run(tree, wanted, tmp_path, capfd):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(tree, protocol=2))
    with pytest.raises(InputError, match=re.escape(wanted)) as error:
        read_weights(path)
    assert str(path) in str(error.value)
    assert "ran code" not in capfd.readouterr().out


def test_truncated_pickle_is_an_error(tmp_path):
    path = tmp_path / "model.pkl"
    whole = pickle.dumps({"model": SMALL}, protocol=2)
    for length in np.linspace(0, len(whole) - 1, 20).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=re.escape(str(path))):
            read_weights(path)


def test_state_dict_inside_a_dict(honest_pickle, tmp_path):
    """As training scripts save it, beside an optimizer, numbers and their command line."""
    inner = honest_pickle({"a": np.zeros((2, 2), np.float32)})[2:-1]
    for wrapper in (b"model", b"state_dict"):
        key = b"X" + len(wrapper).to_bytes(4, "little") + wrapper
        arguments = b"X\x04\x00\x00\x00argscargparse\nNamespace\n)R}X\x01\x00\x00\x00kK\x01sb"
        pickled = b"\x80\x02}(" + key + inner + b"X\x05\x00\x00\x00epochK\x07" + arguments + b"u."
        file = read_weights(hostile_zip(tmp_path / "whole.pth", pickled))
        assert list(file.arrays) == ["a"]
        assert file.meta["epoch"] == 7


def safetensors_bytes(header: dict, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_safetensors(tmp_path):
    path = tmp_path / "a.safetensors"
    body = np.arange(6, dtype=np.float32).tobytes()
    header = {"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    path.write_bytes(safetensors_bytes(header, body))
    np.testing.assert_array_equal(read_weights(path).arrays["w"], np.arange(6, dtype=np.float32).reshape(2, 3))
    faults = [
        path.read_bytes()[:-1],
        path.read_bytes()[:20],
        b"",
        safetensors_bytes({"w": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 24]}}, body),
        safetensors_bytes({"w": {"dtype": "BF16", "shape": [12], "data_offsets": [0, 24]}}, body),
        safetensors_bytes({"w": 3}, body),
        safetensors_bytes([], body),
    ]
    for content in faults:
        path.write_bytes(content)
        with pytest.raises(InputError, match=re.escape(str(path))):
            read_weights(path)


@pytest.mark.parametrize(
    ("prefix", "inner"), [("_orig_mod.", ""), ("module.", ""), ("module._orig_mod.", ""), ("", "_orig_mod.")]
)
def test_names_of_wrapped_modules(prefix, inner, writers, tmp_path):
    wrapped = {prefix + name.replace("a.", f"a.{inner}"): value for name, value in SMALL.items()}
    assert set(read_weights(writers["npz"](tmp_path / "a.npz", wrapped)).arrays) == set(SMALL)


def test_a_name_with_and_without_a_wrapper(writers, tmp_path):
    twice = {"_orig_mod.a": SMALL["a.half"], "a": SMALL["a.half"]}
    with pytest.raises(InputError, match="wanted every parameter once, got a both"):
        read_weights(writers["npz"](tmp_path / "a.npz", twice))
