"""Whatever happens in whatever order: never early, never twice, never forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from colorwatch.watching.settle import LENGTHENED_QUIET, Settler

QUIET = 5.0
PATIENCE = 60.0
names = st.sampled_from(["a", "b", "c"])
steps = st.sampled_from([0.0, 0.1, 1.0, 4.9, 5.0, 7.0, 25.0, 61.0])


@dataclass
class File:
    """The model: what a slow, obvious implementation would remember of a path."""

    look: tuple[int, int, int]
    changed: float
    owed: bool = True  # its last change has not been answered by a release
    again: float | None = None  # asked for once more at this time
    releases: int = field(default=0)


class Settling(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.settler = Settler(QUIET, PATIENCE)
        self.files: dict[str, File] = {}

    @rule(name=names, size=st.integers(0, 2), mtime=st.integers(0, 2), inode=st.integers(1, 2))
    def look(self, name: str, size: int, mtime: int, inode: int) -> None:
        self.settler.observe(name, size, mtime, inode, self.now)
        file = self.files.get(name)
        look = (size, mtime, inode)
        if file is None or file.look[:2] != look[:2] or (file.owed and file.look != look):
            self.files[name] = File(look, self.now)
        elif file.again is not None:
            # While it waits the first inode seen is taken as its own, and another one is a change.
            if file.releases == 0 and file.look != look:
                self.files[name] = File(look, self.now)
            else:
                file.look, file.releases = look, 0

    @rule(name=names)
    def forget(self, name: str) -> None:
        self.settler.forget(name)
        self.files.pop(name, None)

    @rule(name=names, seconds=steps, what=st.sampled_from(["wait", "incomplete", "lengthen"]))
    def again(self, name: str, seconds: float, what: str) -> None:
        file = self.files.get(name)
        if file is None:
            return
        if what == "wait":
            self.settler.wait(name, self.now, seconds)
        elif what == "incomplete":
            self.settler.incomplete(name, self.now)
            seconds = PATIENCE
        else:
            self.settler.lengthen(name, self.now)
            seconds = QUIET * LENGTHENED_QUIET
        if not file.owed:
            file.again = self.now + seconds

    @rule(seconds=steps, limit=st.sampled_from([None, 1]))
    def time_passes(self, seconds: float, limit: int | None) -> None:
        self.now += seconds
        while released := self.settler.due(self.now, limit):
            for quiet in released:
                file = self.files[quiet.path]
                if file.owed:
                    assert self.now >= file.changed + QUIET, "released early"
                    assert quiet.matches(*file.look)
                    assert not quiet.patient
                    assert not quiet.lengthened
                else:
                    assert file.again is not None, "released twice"
                    assert self.now >= file.again, "released again early"
                file.owed, file.again, file.releases = False, None, 1
        for name, file in self.files.items():
            assert not (file.owed and self.now >= file.changed + QUIET), f"{name} was not released"
            assert not (file.again is not None and self.now >= file.again), f"{name} was not released again"

    @invariant()
    def the_next_time_is_known(self) -> None:
        times = [f.changed + QUIET if f.owed else f.again for f in self.files.values() if f.owed or f.again is not None]
        due = self.settler.next_due()
        assert due == (min(t for t in times if t is not None) if times else None)


Settling.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSettling = Settling.TestCase
