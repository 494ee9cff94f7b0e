"""Which results the model and the settings of today would make otherwise."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from colorwatch.asking.history import setting
from colorwatch.errors import AskError
from colorwatch.ledger.settings import TODAY
from colorwatch.recipe import Recipe
from colorwatch.scan import RenderSettings, printable

if TYPE_CHECKING:
    from colorwatch.config.schema import Folder


@dataclass(slots=True)
class Outdated:
    """What is to be coloured again, by job; and what is left, because its original or its result is gone."""

    jobs: list[int] = field(default_factory=list)
    megapixels: float = 0.0
    gone: int = 0  # no original any more
    deleted: int = 0  # a person took the result away, and wants no other


def today_of(db: sqlite3.Connection, folder: str) -> Recipe:
    """The recipe of `folder`; raises AskError where no daemon has worked for it yet."""
    text = setting(db, TODAY + folder)
    if text is None:
        raise AskError(f"{printable(folder)}: colorwatch has not worked for it yet; start it once with this config")
    plain: dict[str, Any] = json.loads(text)
    return Recipe(**{**plain, "settings": RenderSettings(**plain["settings"])})


def find_outdated(db: sqlite3.Connection, folders: Sequence[Folder]) -> Outdated:
    """Looks at every finished job of `folders`, and at the disk for its original and its result. Raises AskError."""
    found = Outdated()
    for folder in folders:
        today = today_of(db, folder.name)
        rows = db.execute(
            "SELECT id, path, output, whereabouts, recipe, redo, facts FROM job WHERE folder = ? AND state = 'done'"
            " AND output IS NOT NULL AND recipe <> ? ORDER BY id",
            (folder.name, today.key),
        )
        for row in rows:
            if not _is_todays(row, today):
                _sort(row, folder, found)
    return found


def _is_todays(row: sqlite3.Row, today: Recipe) -> bool:
    """Whether it is as it would be today, but for what a person has chosen for this very scan."""
    if not row["redo"]:
        return False
    redo = json.loads(row["redo"])
    return bool(redo.get("model")) or row["recipe"] == today.wished(redo.get("settings", {})).key


def _sort(row: sqlite3.Row, folder: Folder, found: Outdated) -> None:
    at_home = os.path.join(folder.inbox, os.fsdecode(row["path"]))
    original = at_home if row["whereabouts"] is None else os.fsdecode(row["whereabouts"])
    if not original or not os.path.lexists(original):
        found.gone += 1
    elif not os.path.lexists(os.path.join(folder.outbox, os.fsdecode(row["output"]))):
        found.deleted += 1
    else:
        facts = json.loads(row["facts"]) if row["facts"] else {}
        found.jobs.append(row["id"])
        found.megapixels += facts.get("width", 0) * facts.get("height", 0) * facts.get("pages", 1) / 1e6
