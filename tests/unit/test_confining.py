"""Limits of the process itself, tried in a process of their own."""

from __future__ import annotations

import subprocess
import sys

from colorwatch.workers.confining import OPEN_FILES

SCRIPT = """
import resource
from colorwatch.workers.confining import confine
before = bytearray(50 << 20)
confine({memory})
for kind in (resource.RLIMIT_DATA, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE):
    print(*resource.getrlimit(kind))
within = bytearray(20 << 20)
try:
    bytearray(60 << 20)
    print("had")
except MemoryError:
    print("refused")
confine(10 << 30)
"""


def run(memory: int) -> list[str]:
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(memory=memory)], capture_output=True, text=True, check=True, timeout=60
    )
    return told.stdout.splitlines()


def test_what_it_has_stays_and_beyond_its_limit_nothing_is_to_be_had() -> None:
    *limits, end = run(40 << 20)
    assert end == "refused"
    assert limits[1:] == [f"{OPEN_FILES} {OPEN_FILES}", "0 0"]
    soft, hard = map(int, limits[0].split())
    assert soft == hard
    assert 90 << 20 < soft < 200 << 20


def test_no_limit_is_none() -> None:
    assert run(0)[-1] == "had"
