"""A chain of faults at named points: each start of the daemon is armed with the next one that has not fired yet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from colorwatch.faultpoint import WANTED
from torture.ground import Ground

WORKER_POINTS = frozenset(
    (
        *("probe-opened", "probe-hashed", "decode", "forward", "encode", "spool-opened", "spool-write", "spool-sync"),
        *("spool-synced", "answer"),
    )
)
AT_START = frozenset(("recover", "recovered", "clean-spool", "fork"))
AT_END = frozenset(("drain", "close"))
OF_THE_BAD = frozenset(("quarantine", "note", "noted", "refused", "settle-quarantine"))
OF_ARCHIVES = frozenset(("aside", "set-aside", "place", "placed", "remove", "removed", "put-back"))
OF_REDOS = frozenset(("swap", "swapped"))
OF_COPIES = frozenset(("copy", "copied"))
# Scans of the bench show one picture each; tests/integration/test_prints_killed.py has glasses.
OF_PRINTS = frozenset(("cut-opened", "cut-synced", "cut-out", "print-saved"))
RARE = AT_START | AT_END | OF_THE_BAD | OF_REDOS | {"rescan", "put-back"}


@dataclass(frozen=True)
class Fault:
    """One fault, and the folder that counts how often its point was reached."""

    point: str
    action: str
    at: int
    folder: str

    @property
    def spec(self) -> str:
        before = "place:1:ENOSPC," if self.point == "put-back" else ""  # else an original is never put back
        return f"{before}{self.point}:{self.at}:{self.action}"

    @property
    def fired(self) -> bool:
        return os.path.exists(os.path.join(self.folder, f"{self.point}.fired"))

    def want(self) -> None:
        """From now on it counts and fires."""
        with open(os.path.join(self.folder, WANTED), "w"):
            pass

    @property
    def name(self) -> str:
        return os.path.basename(self.folder)


class Chain:
    """Arms a ground's starts."""

    def __init__(self, ground: Ground, faults: Sequence[tuple[str, str, int]]) -> None:
        """`faults`: point, action, and at which time it is reached."""
        self._ground = ground
        self._faults = []
        for number, (point, action, at) in enumerate(faults):
            folder = ground.path("faults", f"{number:03}-{point}-{action}")
            os.makedirs(folder)
            self._faults.append(Fault(point, action, at, folder))
        self._place = 0
        ground.on_start = self._arm

    @property
    def current(self) -> Fault | None:
        """The fault that the running daemon has, fired or not; None after the last."""
        return self._faults[self._place] if self._place < len(self._faults) else None

    def _arm(self) -> None:
        while (fault := self.current) is not None and fault.fired:
            self._place += 1
        self._ground.environment = {
            **{key: value for key, value in self._ground.environment.items() if not key.startswith("COLORWATCH_FAULT")},
            **({"COLORWATCH_FAULT": fault.spec, "COLORWATCH_FAULT_BENCH": fault.folder} if fault else {}),
        }

    def unfired(self) -> list[str]:
        return [fault.name for fault in self._faults if not fault.fired]

    def __len__(self) -> int:
        return len(self._faults)
