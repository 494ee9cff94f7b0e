"""Which results today's recipe would make otherwise."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest

from colorwatch.asking.outdated import Outdated, find_outdated
from colorwatch.errors import AskError
from colorwatch.ledger import Ledger
from colorwatch.ledger.files import connect_to_read
from colorwatch.ledger.settings import TODAY
from colorwatch.recipe import Recipe
from colorwatch.scan import Facts, Fingerprint, Job, Redo, Rendering, RenderSettings, Scan

RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {"net": 0.1})
EARLIER = Recipe("bb" * 32, RenderSettings())
LATER = Recipe("cc" * 32, RenderSettings(jpeg_quality=80))


class Shelf:
    """A ledger whose results lie on the disk, and the folder they belong to."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.ledger = Ledger(os.path.join(root, "ledger.sqlite3"))
        places = {name: os.path.join(root, name) for name in ("inbox", "outbox")}
        for place in places.values():
            os.mkdir(place)
        self.folder: Any = SimpleNamespace(name="in", **places)

    def done(self, path: str, recipe: Recipe = EARLIER) -> Job:
        facts = Facts(Fingerprint(1, 2, 3, 4), path.ljust(64, "0"), "jpeg", ".jpg", 1, 1000, 500, 1, 8)
        names = itertools.chain([path], (f"{path} ({number})" for number in itertools.count(2)))
        with self.ledger.batch():
            job = self.ledger.add(Scan("in", path, Fingerprint(1, 2, 3, 4)), facts, recipe.key, names)
            self.ledger.rendered(job.id, "/out/.colorwatch/1-1.part", RESULT)
            self.ledger.published(job.id)
            self.ledger.done(job.id, "kept", "", None)
        for place in (self.folder.inbox, self.folder.outbox):
            with open(os.path.join(place, path), "wb"):
                pass
        return self.ledger.job(job.id)

    def today(self, recipe: Recipe) -> None:
        with self.ledger.batch():
            self.ledger.health.set(TODAY + "in", json.dumps(asdict(recipe)))

    def found(self) -> Outdated:
        db = connect_to_read(os.path.join(self.root, "ledger.sqlite3"))
        try:
            return find_outdated(db, [self.folder])
        finally:
            db.close()


@pytest.fixture
def shelf(tmp_path: os.PathLike[str]) -> Iterator[Shelf]:
    shelf = Shelf(os.fspath(tmp_path))
    yield shelf
    shelf.ledger.close()


def test_only_results_of_another_recipe_are(shelf: Shelf) -> None:
    old = shelf.done("a.jpg")
    shelf.done("b.jpg", LATER)
    shelf.today(LATER)
    assert shelf.found() == Outdated([old.id], megapixels=0.5)


def test_without_original_or_result_they_are_counted_and_left(shelf: Shelf) -> None:
    for name in ("a.jpg", "b.jpg"):
        shelf.done(name)
    os.unlink(os.path.join(shelf.folder.inbox, "a.jpg"))
    os.unlink(os.path.join(shelf.folder.outbox, "b.jpg"))
    shelf.today(LATER)
    assert shelf.found() == Outdated([], gone=1, deleted=1)


def test_what_a_person_chose_for_one_scan_does_not_make_it_outdated(shelf: Shelf) -> None:
    job = shelf.done("a.jpg")
    shelf.today(EARLIER)
    wished = {"strength": 0.5}
    with shelf.ledger.batch():
        shelf.ledger.redos.begin(job, Redo(wished), EARLIER.wished(wished).key)
        shelf.ledger.rendered(job.id, "/out/.colorwatch/1-2.part", RESULT)
        shelf.ledger.redos.finish(shelf.ledger.job(job.id))
    assert shelf.found() == Outdated()
    shelf.today(LATER)
    assert shelf.found().jobs == [job.id]


def test_before_any_daemon_has_worked_nobody_can_tell(shelf: Shelf) -> None:
    with pytest.raises(AskError, match="start it once"):
        shelf.found()
