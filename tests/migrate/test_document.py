"""docs/migrate.md: its scripts and keys exist, and its table is the program's."""

import re
from pathlib import Path

import pytest

from mindrcnn import cli
from mindrcnn.config.run import Config
from mindrcnn.config.schema import all_keys
from mindrcnn.exit_status import EXIT_OK

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = (REPOSITORY / "docs" / "migrate.md").read_text()
COMMANDS, _, TABLE = DOCUMENT.partition("\n## Keys\n")
# The second column, and the examples: what is ours.
OURS = [row.split(" | ")[-1] for row in re.findall(r"^\| .* \|$", COMMANDS, re.MULTILINE)]
OURS += re.findall(r"^mindrcnn .*", COMMANDS, re.MULTILINE)
SCRIPTS = {  # of the zoo's four directories
    *("run_standalone_train.sh", "run_distribute_train.sh", "run_eval.sh"),
    *("run_standalone_train_gpu.sh", "run_distribute_train_gpu.sh", "run_eval_gpu.sh", "run_infer_gpu.sh"),
    *("run_standalone_train_ascend.sh", "run_distribute_train_ascend.sh", "run_eval_ascend.sh", "build_custom.sh"),
}


def test_the_table_of_keys_is_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["migrate", "--keys"]) == EXIT_OK
    assert TABLE.partition("\n### ")[2] == capsys.readouterr().out.removeprefix("### ")


def test_its_scripts_and_their_options_exist() -> None:
    calls = [call for text in OURS for call in re.findall(r"bash (scripts/\w+\.sh)([^`]*)", text)]
    assert len(calls) > 15
    common = (REPOSITORY / "scripts" / "common.sh").read_text()
    for script, words in calls:
        text = (REPOSITORY / script).read_text() + common
        assert [option for option in re.findall(r"--[a-z-]+", words) if option not in text] == []


def test_its_keys_exist() -> None:
    known = {dotted for dotted, _ in all_keys(Config)}
    named = {
        key for text in OURS for key in re.findall(r"\b((?:model|data|train|eval|device)(?:\.[a-z_]+)+)\b(?!\.)", text)
    }
    assert len(named) > 15
    assert named - known - {"train.log", "data.md"} == set()


def test_it_has_every_script_of_the_zoo() -> None:
    assert [name for name in SCRIPTS if f"{name} [" not in DOCUMENT and f"{name}`" not in DOCUMENT] == []
