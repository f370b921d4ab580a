"""Rank tables, with a stand-in for the driver's tool."""

import json
import os
from pathlib import Path

import pytest

from mindrcnn.engine.distributed.environment import read_rank_table
from mindrcnn.errors import InputError
from mindrcnn.launch import make_rank_table
from mindrcnn.launch.make_rank_table import device_addresses, read_devices
from mindrcnn.programs.launch import main

TOOL = """#!/bin/sh
[ "$2" = 9 ] && exit 1
echo "ipaddr:192.98.92.10$2"
echo "netmask:255.255.255.0"
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hccn_tool that knows all devices but 9."""
    tool = tmp_path / "bin" / "hccn_tool"
    tool.parent.mkdir()
    tool.write_text(TOOL)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("driver")
def test_the_table_is_one_that_the_launcher_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "hccl.json"
    words = ["--make-rank-table", str(table), "--device-ids", "4-7", "--server-ip", "10.0.0.1"]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{table}: 4 devices of 10.0.0.1\n"
    assert read_rank_table(table) == [{0: 4, 1: 5, 2: 6, 3: 7}]
    (server,) = json.loads(table.read_text())["server_list"]
    assert server["device"][1] == {"device_id": "5", "device_ip": "192.98.92.105", "rank_id": "1"}
    assert main(words) == 0  # its own file is replaced
    table.write_text("mine")
    capsys.readouterr()
    assert main(words) == 2
    assert "MindRCNN did not write it" in capsys.readouterr().err


def test_without_the_tool_the_drivers_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_rank_table.shutil, "which", lambda name: None)
    conf = tmp_path / "hccn.conf"
    conf.write_text("address_0=192.1.1.2\nnetmask_0=255.255.255.0\naddress_1 = 192.1.1.3\naddress_2=here\n")
    assert device_addresses([1, 0], hccn_conf=conf) == {1: "192.1.1.3", 0: "192.1.1.2"}
    with pytest.raises(InputError, match="wanted an IP address, got 'here'"):
        device_addresses([2], hccn_conf=conf)
    with pytest.raises(InputError, match=r"wanted the address of device 3 from hccn_tool or .*hccn\.conf, got none"):
        device_addresses([3], hccn_conf=conf)
    with pytest.raises(InputError, match="device 0"):
        device_addresses([0], hccn_conf=tmp_path / "none")


@pytest.mark.usefixtures("driver")
def test_a_tool_that_fails_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="device 8"):
        device_addresses([8, 9], hccn_conf=tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "devices"),
    [("0-7", list(range(8))), ("0,1", [0, 1]), ("4-6", [4, 5, 6]), ("0-1,4-5", [0, 1, 4, 5])],
)
def test_devices(text: str, devices: list[int]) -> None:
    assert read_devices(text) == devices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[0,8)", "wanted numbers and ranges such as 0-7"),
        ("", "wanted numbers and ranges"),
        ("7-0", "wanted different devices"),
        ("0,0", "wanted different devices"),
    ],
)
def test_devices_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_devices(text)


def test_a_table_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--make-rank-table", "a.json", "--", "train"], ["--log-dir", "logs"], ["--", "train"]):
        with pytest.raises(SystemExit):
            main(words)
    assert "--make-rank-table runs no program" in capsys.readouterr().err
