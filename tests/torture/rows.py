"""Figures: one row a run, printed as a table and kept as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field

from torture.oracle import Verdict

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
_COLUMNS = ("lost", "doubled", "torn", "left", "quar.", "unfin.", "odd")


@dataclass
class Row:
    """One run: what was done to it, and what came of it."""

    section: str
    case: str
    files: int
    faults: int
    verdict: Verdict | None
    seconds: float = 0.0
    recovery_p95: float | None = None
    note: str = ""
    skipped: str = ""
    audited: bool = True  # else the audit is that of a later row
    figures: dict[str, object] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return (
            bool(self.skipped)
            or not self.audited
            or (self.verdict is not None and self.verdict.clean and not self.note.startswith("!"))
        )


class Table:
    """Prints rows as they come, and keeps them."""

    def __init__(self, folder: str = RESULTS) -> None:
        self._folder = folder
        self.rows: list[Row] = []

    def add(self, row: Row) -> Row:
        if not self.rows:
            self._print("", "case", "files", "faults", *_COLUMNS, "p95 s", "s")
        self.rows.append(row)
        if row.skipped:
            print(f"{row.section:3}{row.case[:38]:38} skipped: {row.skipped}")
        else:
            counts = list(row.verdict.counts().values()) if row.verdict else [""] * len(_COLUMNS)
            p95 = "" if row.recovery_p95 is None else f"{row.recovery_p95:.2f}"
            self._print(row.section, row.case, row.files, row.faults, *counts, p95, f"{row.seconds:.1f}", row.note)
            if row.verdict and not row.verdict.clean:
                print(f"   {row.verdict}")
        sys.stdout.flush()
        return row

    def _print(self, section: str, case: str, *cells: object) -> None:
        print(f"{section:3}{case[:38]:38}", *(f"{cell:>7}" for cell in cells[:11]), *cells[11:])

    def write(self, name: str) -> str:
        """Keeps the rows as `name`.json; the path of that."""
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, f"{name}.json")
        figures = {"when": time.strftime("%Y-%m-%d %H:%M"), "rows": [asdict(row) for row in self.rows]}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
        return path

    @property
    def clean(self) -> bool:
        return all(row.clean for row in self.rows)
