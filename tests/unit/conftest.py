"""Fixtures of the tests that look at what becomes of files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cases import DISKS
from killing import Disk


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another filesystem than the tests' own."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev:
        pytest.skip("there is no second filesystem here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest) -> Disk:
    """Each kind of filesystem in turn."""
    return DISKS[str(request.param)]
