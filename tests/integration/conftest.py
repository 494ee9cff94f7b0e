"""Fixtures of the tests that work with a folder's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from desk import Desk


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(**changes: Any) -> Desk:
        desk = Desk(tmp_path, **changes)
        made.append(desk)
        return desk

    yield make
    for desk in made:
        if hasattr(desk, "folder"):
            desk.stop()


@pytest.fixture
def desk(desks: Callable[..., Desk]) -> Desk:
    return desks().start()
