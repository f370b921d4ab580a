"""The rank and world size read from the environment."""

import json
from pathlib import Path
from typing import Any

import pytest

from mindrcnn.engine.distributed.environment import Launch, cluster_variables, read_launch, read_rank_table
from mindrcnn.errors import InputError

MSRUN = {"MS_ROLE": "MS_WORKER", "MS_WORKER_NUM": "4", "MS_NODE_ID": "2", "RANK_ID": "2", "DEVICE_ID": "2"}
MPIRUN = {"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}


def rank_table(folder: Path, *servers: dict[int, int]) -> Path:
    """A table of these servers, each rank -> device id."""
    listed = [
        {
            "server_id": f"10.0.0.{place}",
            "device": [{"device_id": str(device), "rank_id": str(rank)} for rank, device in server.items()],
        }
        for place, server in enumerate(servers)
    ]
    path = folder / "hccl.json"
    path.write_text(json.dumps({"version": "1.0", "server_list": listed}))
    return path


def test_no_launcher() -> None:
    assert read_launch({}) == Launch() == Launch(launcher="none", rank=0, size=1)
    assert read_launch({"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"}) == Launch()
    assert read_launch({"RANK_ID": "3", "DEVICE_ID": "3"}) == Launch()  # left in a shell by an earlier job


def test_msrun() -> None:
    assert read_launch(MSRUN) == Launch(launcher="msrun", rank=2, size=4, device_id=2)
    unassigned = {name: MSRUN[name] for name in ("MS_ROLE", "MS_WORKER_NUM", "DEVICE_ID")}
    assert read_launch(unassigned) == Launch(launcher="msrun", rank=None, size=4, device_id=2)
    scheduler = {**MSRUN, "MS_ROLE": "MS_SCHED", "RANK_ID": "0"}
    assert read_launch(scheduler).scheduler


def test_msrun_goes_before_the_rank_table_that_it_may_carry(tmp_path: Path) -> None:
    table = rank_table(tmp_path, {0: 0})
    assert read_launch({**MSRUN, "RANK_TABLE_FILE": str(table)}).launcher == "msrun"


def test_mpirun() -> None:
    assert read_launch(MPIRUN) == Launch(launcher="mpirun", rank=3, size=4, device_id=1)


def test_a_rank_table(tmp_path: Path) -> None:
    table = rank_table(tmp_path, {0: 4, 1: 5}, {2: 4, 3: 5})
    environment = {"RANK_TABLE_FILE": str(table), "RANK_ID": "3", "DEVICE_ID": "5", "RANK_SIZE": "4"}
    assert read_launch(environment) == Launch(launcher="rank-table", rank=3, size=4, device_id=5)
    assert read_rank_table(table) == [{0: 4, 1: 5}, {2: 4, 3: 5}]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({**MSRUN, **MPIRUN}, "wanted one launcher, got the variables of two: msrun's MS_ROLE and mpirun's OMPI_COMM"),
        ({"MS_ROLE": "MS_WORKER"}, "wanted MS_WORKER_NUM along with the launcher's other variables, got nothing"),
        ({**MSRUN, "MS_ROLE": "MS_PSERVER"}, "MS_ROLE: wanted MS_WORKER or MS_SCHED, got MS_PSERVER"),
        ({**MSRUN, "MS_WORKER_NUM": "0"}, "MS_WORKER_NUM: wanted a number of at least 1, got '0'"),
        ({**MSRUN, "MS_NODE_ID": "4"}, "MS_NODE_ID: wanted a number from 0 to 3, got '4'"),
        ({**MSRUN, "DEVICE_ID": "one"}, "DEVICE_ID: wanted a number of at least 0, got 'one'"),
        ({**MPIRUN, "OMPI_COMM_WORLD_RANK": "4"}, "OMPI_COMM_WORLD_RANK: wanted a number from 0 to 3, got '4'"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "wanted OMPI_COMM_WORLD_RANK along with"),
        ({"RANK_TABLE_FILE": "nowhere.json", "RANK_ID": "0"}, "wanted a readable JSON file, got nowhere.json"),
    ],
)
def test_environments_that_cannot_be(environment: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=r"^(environment|rank table)") as error:
        read_launch(environment)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"RANK_ID": "2", "DEVICE_ID": "0"}, "RANK_ID: wanted a number from 0 to 1, got '2'"),
        ({"RANK_ID": "1", "DEVICE_ID": "4"}, "DEVICE_ID: wanted 5, the device of RANK_ID 1 in"),
        ({"RANK_ID": "1"}, "wanted DEVICE_ID along with"),
        ({"RANK_ID": "1", "DEVICE_ID": "5", "RANK_SIZE": "8"}, "RANK_SIZE: wanted 2, the number of ranks in"),
    ],
)
def test_environments_that_do_not_fit_the_table(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    table = rank_table(tmp_path, {0: 4, 1: 5})
    with pytest.raises(InputError) as error:
        read_launch({"RANK_TABLE_FILE": str(table), **settings})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "wanted a readable JSON file"),
        ("[]", "wanted server_list[].device[] with rank_id and device_id"),
        ({"server_list": [{"device": [{"rank_id": "0"}]}]}, "wanted server_list[].device[] with rank_id and device_id"),
        ({"server_list": []}, "wanted the rank_ids 0, 1, 2, ... once each, got none"),
        (
            {"server_list": [{"device": [{"rank_id": "1", "device_id": "0"}, {"rank_id": "3", "device_id": "1"}]}]},
            "once each, got 1, 3",
        ),
    ],
)
def test_files_that_are_no_rank_table(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError) as error:
        read_rank_table(path)
    assert message in str(error.value)


def test_what_mpirun_leaves_out_for_mindspore() -> None:
    launch = read_launch(MPIRUN)
    assert cluster_variables(launch, {**MPIRUN, "OMPI_COMM_WORLD_LOCAL_SIZE": "4"}) == {
        "MS_ROLE": "MS_WORKER",
        "MS_WORKER_NUM": "4",
        "MS_NODE_ID": "3",
        "MS_SCHED_HOST": "127.0.0.1",
        "MS_SCHED_PORT": "8118",
    }
    assert cluster_variables(read_launch(MSRUN), MSRUN) == {}
    two_machines = {**MPIRUN, "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}
    with pytest.raises(InputError, match="wanted MS_SCHED_HOST"):
        cluster_variables(launch, two_machines)
    told = cluster_variables(launch, {**two_machines, "MS_SCHED_HOST": "10.0.0.1", "MS_SCHED_PORT": "9000"})
    assert (told["MS_SCHED_HOST"], told["MS_SCHED_PORT"]) == ("10.0.0.1", "9000")


@pytest.mark.parametrize("number", ["9" * 5000, 10**400, 1.5, True, -1, [0], "\u00b2"])
def test_other_numbers_in_a_rank_table(number: object, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"server_list": [{"device": [{"rank_id": number, "device_id": 0}]}]}))
    with pytest.raises(InputError, match=r"table\.json"):
        read_rank_table(path)
