"""Which request an idle worker gets next: each kind has its turn, so that none starves another."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from colorwatch.protocol import Request
from colorwatch.scan import State

if TYPE_CHECKING:
    from colorwatch.ledger import Ledger
    from colorwatch.pool import Pool
    from colorwatch.work.claims import Claims, Deadlines
    from colorwatch.work.intake import Intake
    from colorwatch.work.leisure import Leisure
    from colorwatch.work.othernets import OtherNets
    from colorwatch.work.pacing import Pacing
    from colorwatch.work.recall import Recall
    from colorwatch.work.standing import Standing

_TURNS = ("probe", "render", "recall", "leisure")  # so that none starves another


class Handing:
    """Belongs to the service's thread, and works inside its batch."""

    def __init__(
        self,
        ledger: Ledger,
        intake: Intake,
        recall: Recall,
        claims: Claims,
        leisure: Leisure,
        standing: Standing,
        pacing: Pacing,
        deadlines: Deadlines,
    ) -> None:
        self._ledger = ledger
        self._intake = intake
        self._recall = recall
        self._claims = claims
        self._leisure = leisure
        self._standing = standing
        self._pacing = pacing
        self._deadlines = deadlines
        self._ticket = 0
        self._turns = itertools.cycle(_TURNS)

    def out(self, pool: Pool, nets: OtherNets | None, now: float) -> list[Callable[[], object]]:
        """Something to do for each idle worker, to be handed over once the batch has committed."""
        handed: list[Callable[[], object]] = []
        idle = self._pacing.free(pool.idle(), now)
        quiet = idle > 0 and self._claims.wants_quiet(now, self._standing.open(now))
        misses = 0
        while idle and misses < len(_TURNS) and not self._claims.exclusive:
            self._ticket += 1
            turn = next(self._turns)
            request, seconds = self._next_request(turn, self._ticket, now, quiet)
            if request is None:
                misses += 1
                continue
            misses = 0
            self._pacing.begun(self._ticket, now)
            if nets and turn == "render" and (other := self._claims.net_of(self._ticket)):
                handed.append(partial(nets.take, request, other, seconds))
                continue
            idle -= 1
            handed.append(partial(pool.submit, request, now + seconds))
        return handed

    def _next_request(self, turn: str, ticket: int, now: float, quiet: bool) -> tuple[Request | None, float]:
        """The next request of a kind, and how many seconds it may take."""
        request: Request | None
        if turn == "render":
            others = self._intake.probing + len(self._recall) + len(self._leisure)
            request = self._claims.next_render(ticket, now, self._standing.open(now), others, len(self._intake))
            return request, self._deadlines.of(self._claims.effort(ticket)) if request else 0.0
        if quiet:
            return None, 0.0
        if turn == "probe":
            request = self._intake.next_probe(ticket, now)
            return request, self._deadlines.of_reading(self._intake.bytes_of(ticket)) if request else 0.0
        if turn == "leisure":
            busy = len(self._intake) > 0 or self._ledger.counts(self._standing.open(now))[State.QUEUED] > 0
            request = self._leisure.next_request(ticket, now, busy)
            return request, self._deadlines.of(self._leisure.pixels(ticket)) if request else 0.0
        request = self._recall.next_recall(ticket, now)
        return request, self._deadlines.of_reading(self._recall.bytes_of(ticket)) if request else 0.0
