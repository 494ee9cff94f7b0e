"""A group that results cannot be given to is a fault of the config, said before anything is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from colorwatch.config import load
from colorwatch.config.groups import check_groups
from colorwatch.errors import ConfigError
from people import as_nobody

CONFIG = "folders:\n  - inbox: in\n    outbox: out\n    group: {}\nstate: ./state\n"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)


def faults(group: str, *, check_folders: bool = True) -> list[str]:
    Path("c.yaml").write_text(CONFIG.format(group))
    try:
        load("c.yaml", check_folders)
    except ConfigError as error:
        return [fault.removeprefix("c.yaml:") for fault in error.faults if "group" in fault]
    return []


def test_a_group_that_is_not_there_is_a_fault() -> None:
    wrong = 'there is no group "no-such-group"; make it with: sudo groupadd no-such-group, or write auto'
    assert faults("no-such-group") == [f"4: folders[0].group: {wrong}"]
    assert faults("no-such-group", check_folders=False) == []


def test_one_that_this_user_may_use_is_none() -> None:
    assert faults("auto") == []
    assert faults(str(os.getegid())) == []


def test_one_that_this_user_is_no_member_of_is_a_fault() -> None:
    def work() -> None:
        (fault,) = check_groups({"folders": [{"group": "root"}]})
        assert fault.message == (
            'user nobody is not a member of the group "root"; add it with: sudo usermod -aG root nobody, or write auto'
        )

    as_nobody(work)
