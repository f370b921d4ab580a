"""HCCL rank tables, made from what the Ascend driver says of this machine's devices."""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.errors import InputError

HCCN_CONF = Path("/etc/hccn.conf")
_TIMEOUT = 30  # seconds for the answer of hccn_tool about a device
_ADDRESS = re.compile(r"^\s*address_(\d{1,4})\s*=\s*(\S+)\s*$", re.MULTILINE)
_ANSWER = re.compile(r"ipaddr\s*:\s*(\S+)")


def write_rank_table(path: Path, devices: Sequence[int], *, server: str) -> None:
    """Writes the rank table of some devices of this machine, whole or not at all."""
    write_text(path, rank_table_text(devices, server=server, addresses=device_addresses(devices)))


def rank_table_text(devices: Sequence[int], *, server: str, addresses: Mapping[int, str]) -> str:
    """Returns the table of one machine as JSON: rank N is the N-th of its devices.

    devices: their numbers.
    server: address of the machine.
    addresses: of the devices, by number.
    """
    table = {
        "version": "1.0",
        "server_count": "1",
        "server_list": [
            {
                "server_id": server,
                "device": [
                    {"device_id": str(device), "device_ip": addresses[device], "rank_id": str(rank)}
                    for rank, device in enumerate(devices)
                ],
                "host_nic_ip": "reserve",
            }
        ],
        "status": "completed",
    }
    return json.dumps(table, indent=4) + "\n"


def is_rank_table(path: Path) -> bool:
    """Says whether a file looks like a rank table."""
    return re.match(rb'\{\s*"version": "1\.0",\s*"server_count": "\d+",', paths.read_bytes(path)) is not None


def read_devices(text: str) -> list[int]:
    """Reads "0-7" or "0,1,2,3". Raises InputError for anything else."""
    devices: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", part.strip())
        if found is None:
            raise InputError(f"--device-ids: wanted numbers and ranges such as 0-7 or 0,1,2,3, got {text!r}")
        first, last = int(found[1]), int(found[2] or found[1])
        devices += range(first, last + 1)
    if not devices or len(set(devices)) != len(devices):
        raise InputError(f"--device-ids: wanted different devices, got {text!r}")
    return devices


def device_addresses(devices: Sequence[int], *, hccn_conf: Path = HCCN_CONF) -> dict[int, str]:
    """Returns the network address of each device: as hccn_tool says or, without it, /etc/hccn.conf.

    Raises InputError for a device without an address.
    """
    found = _ask_driver(devices) or _read_conf(hccn_conf)
    missing = [device for device in devices if device not in found]
    if missing:
        raise InputError(
            f"--make-rank-table: wanted the address of device {missing[0]} from hccn_tool or {hccn_conf}, got none; "
            "the driver's guide says how to give devices addresses"
        )
    return {device: _address(found[device]) for device in devices}


def server_address(given: str | None) -> str:
    """Returns the address of this machine, or the one given. Raises InputError for none and for no address."""
    if given is not None:
        return _address(given, "--server-ip")
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError as error:
        raise InputError(f"--server-ip: wanted the address of this machine, got none ({error})") from error


def _ask_driver(devices: Sequence[int]) -> dict[int, str]:
    tool = shutil.which("hccn_tool")
    if tool is None:
        return {}
    addresses = {}
    for device in devices:
        try:
            asked = subprocess.run(
                [tool, "-i", str(device), "-ip", "-g"], capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return {}
        answer = _ANSWER.search(asked.stdout)
        if answer is None:
            return {}
        addresses[device] = answer[1]
    return addresses


def _read_conf(path: Path) -> dict[int, str]:
    if not paths.is_file(path):
        return {}
    return {int(number): address for number, address in _ADDRESS.findall(paths.read_text(path))}


def _address(text: str, what: str = "--make-rank-table") -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise InputError(f"{what}: wanted an IP address, got {text!r}") from error
