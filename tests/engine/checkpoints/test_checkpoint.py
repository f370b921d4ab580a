"""Checkpoints: round trip, damage, full disk, killed process, other models."""

import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, load_checkpoint, load_into, save_checkpoint
from mindrcnn.engine.checkpoints.checksum import TRAILER_BYTES
from mindrcnn.errors import InputError

INFO = CheckpointInfo(
    config_yaml="name: Prüfung\n",
    classes=("cat", "dog"),
    category_ids=(3, 17),
    epoch=4,
    step=123,
    metrics={"bbox_AP": 0.25},
)


def build_network(classes: int = 3, width: int = 4) -> nn.Cell:
    network = nn.SequentialCell(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Dense(width, classes))
    generator = np.random.default_rng(classes)
    for parameter in network.get_parameters():
        parameter.set_data(Tensor(generator.normal(size=parameter.shape).astype(np.float32)))
    return network


def arrays(network: nn.Cell) -> dict[str, np.ndarray]:
    return {parameter.name: parameter.asnumpy().copy() for parameter in network.get_parameters()}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, network=build_network(), info=INFO)
    return path


def message_boundaries(content: bytes) -> list[int]:
    """Ends of the top-level protobuf messages: where a truncated file still parses."""
    ends, position = [], 0
    while position < len(content):
        assert content[position] == 0x0A  # field 1, length-delimited
        position += 1
        length = shift = 0
        while True:
            byte = content[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        position += length
        ends.append(position)
    return ends


def test_round_trip(saved: Path) -> None:
    checkpoint = load_checkpoint(saved)
    assert checkpoint.info == INFO
    assert checkpoint.optimizer == {}
    network = build_network(classes=3)
    expected = arrays(network)
    for parameter in network.get_parameters():
        parameter.set_data(Tensor(np.zeros(parameter.shape, np.float32)))
    load_into(network, checkpoint)
    for name, value in arrays(network).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert list(saved.parent.iterdir()) == [saved]
    assert saved.stat().st_mode & 0o777 == 0o644


def test_plain_mindspore_reads_it(saved: Path) -> None:
    entries = ms.load_checkpoint(str(saved))
    assert set(arrays(build_network())) <= set(entries)
    assert entries["mindrcnn.sha256"].shape == (32,)
    assert b"category_ids" in entries["mindrcnn.info"].asnumpy().tobytes()


def test_optimizer_state_is_in_it(tmp_path: Path) -> None:
    network = build_network()
    optimizer = nn.SGD(network.trainable_params(), learning_rate=Tensor(np.full(9, 0.1, np.float32)), momentum=0.9)
    optimizer(tuple(Tensor(np.ones(parameter.shape, np.float32)) for parameter in network.trainable_params()))
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, network=network, info=INFO, optimizer=optimizer)
    checkpoint = load_checkpoint(path)
    trained = [parameter.name for parameter in network.trainable_params()]
    assert set(checkpoint.optimizer) == {"global_step", *(f"accum.{name}" for name in trained)}
    assert checkpoint.optimizer["global_step"].asnumpy() == [1]
    assert (checkpoint.optimizer["accum.2.bias"].asnumpy() == 1).all()
    assert set(checkpoint.parameters) == set(arrays(network))


def test_truncation_at_every_tensor_boundary(saved: Path) -> None:
    content = saved.read_bytes()
    boundaries = message_boundaries(content)
    assert len(boundaries) == len(arrays(build_network())) + 2
    assert boundaries[-1] - boundaries[-2] == TRAILER_BYTES
    for end in [*boundaries[:-1], len(content) - 1, 1, 0]:
        saved.write_bytes(content[:end])
        if end in boundaries:
            ms.load_checkpoint(str(saved))  # MindSpore alone notices nothing
        with pytest.raises(InputError, match=r"last\.ckpt"):
            load_checkpoint(saved)


def test_flipped_bits(saved: Path) -> None:
    content = saved.read_bytes()
    for position in [*range(0, len(content), 37), len(content) - 1]:
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        saved.write_bytes(damaged)
        with pytest.raises(InputError, match=r"last\.ckpt.*checksum"):
            load_checkpoint(saved)
    saved.write_bytes(content + b"x")
    with pytest.raises(InputError, match=r"last\.ckpt"):
        load_checkpoint(saved)


@pytest.mark.parametrize("name", ["none.ckpt", "folder.ckpt", "weights.pth"])
def test_no_such_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.ckpt").mkdir()
    (tmp_path / "weights.pth").touch()
    with pytest.raises(InputError, match=name):
        load_checkpoint(tmp_path / name)


def test_foreign_mindspore_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "foreign.ckpt"
    ms.save_checkpoint(build_network(), str(path))
    with pytest.raises(
        InputError, match=r"foreign\.ckpt.*not written by MindRCNN.*`mindrcnn convert .*foreign\.ckpt NEW"
    ):
        load_checkpoint(path)


def test_other_class_count_is_named_and_changes_nothing(saved: Path) -> None:
    network = build_network(classes=5)
    before = arrays(network)
    with pytest.raises(InputError) as caught:
        load_into(network, load_checkpoint(saved))
    message = str(caught.value)
    assert f"{saved}: 2 parameters do not fit" in message
    assert "2.weight: wanted float32(5, 4), got float32(3, 4)" in message
    assert "2.bias: wanted float32(5,), got float32(3,)" in message
    assert "(2 classes)" in message
    for name, value in arrays(network).items():
        np.testing.assert_array_equal(value, before[name])


def test_missing_and_unexpected_are_named(saved: Path) -> None:
    network = nn.SequentialCell(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dense(4, 3))
    with pytest.raises(InputError) as caught:
        load_into(network, load_checkpoint(saved))
    message = str(caught.value)
    assert "3.weight: missing from the checkpoint, wanted float32(3, 4)" in message
    assert "2.bias: unexpected, not in this model, got float32(3,)" in message


def test_long_lists_are_cut(saved: Path) -> None:
    network = nn.SequentialCell(*(nn.Dense(2, 2) for _ in range(12)))
    with pytest.raises(InputError) as caught:
        load_into(network, load_checkpoint(saved))
    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[-1].strip().startswith("and ")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As on a full disk, writes beyond `size` bytes of a file fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("missing_bytes", [100_000, 20])  # within the tensors, within the checksum
def test_disk_full_keeps_the_old_file(tmp_path: Path, caplog: pytest.LogCaptureFixture, missing_bytes: int) -> None:
    path = tmp_path / "last.ckpt"
    network = build_network(width=1500)
    save_checkpoint(path, network=network, info=INFO)
    content = path.read_bytes()
    assert len(content) > 150_000
    with largest_file(len(content) - missing_bytes), pytest.raises(InputError, match=r"cannot write .*last\.ckpt"):
        save_checkpoint(path, network=network, info=INFO)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
    assert caplog.messages == []  # MindSpore would add a CRITICAL line of its own


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from mindspore import nn
    from mindrcnn.engine.checkpoints import checkpoint
    info = checkpoint.CheckpointInfo(config_yaml="", classes=(), category_ids=(), epoch=1, step=1)
    path = Path(sys.argv[1])
    checkpoint.save_checkpoint(path, network=nn.Dense(3, 3), info=info)
    checkpoint.append_digest = lambda temporary: os.kill(os.getpid(), signal.SIGKILL)
    checkpoint.save_checkpoint(path, network=nn.Dense(4, 4), info=info)
"""


def test_killed_while_saving(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(path)], check=False, timeout=600)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2  # the new one had been written under its temporary name
    assert load_checkpoint(path).parameters["weight"].shape == (3, 3)
    save_checkpoint(path, network=build_network(), info=INFO)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["model_final.pkl", "mask_rcnn.pth"])
def test_weights_of_another_library_name_the_conversion(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(
        InputError, match=rf"wanted an existing \.ckpt.*; `mindrcnn convert .*{name} \w+\.ckpt` imports"
    ):
        load_checkpoint(tmp_path / name)
