"""What is made of finished results while workers have nothing else: portraits for the gallery, prints saved apart."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from colorwatch import log
from colorwatch.work.apart import Apart
from colorwatch.work.portraits import Portraits

if TYPE_CHECKING:
    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import FolderSettings
    from colorwatch.ledger import Ledger
    from colorwatch.pool import Died
    from colorwatch.protocol import Answer, Request
    from colorwatch.recipe import Recipe
    from colorwatch.work.standing import Standing


class Leisure:
    """Belongs to the service's thread, and works inside its batch. Times are on the monotonic clock."""

    def __init__(
        self,
        ledger: Ledger,
        standing: Standing,
        folders: Mapping[str, FolderSettings],
        recipes: Mapping[str, Recipe],
        send: Callable[[str, Command], None],
    ) -> None:
        """`send` delivers after the batch has committed."""
        self.portraits = Portraits(ledger, standing, folders, send, log.get("gallery"))
        self.apart = Apart(ledger, standing, folders, recipes, send, log.get("prints"))
        self._portraits_first = itertools.cycle((True, False))

    def __len__(self) -> int:
        """Results that workers have at hand now."""
        return len(self.portraits) + len(self.apart)

    def owns(self, ticket: int) -> bool:
        return self.portraits.owns(ticket) or self.apart.owns(ticket)

    def pending(self, now: float) -> bool:
        """Whether something is under way, or could be."""
        return self.portraits.pending() or self.apart.pending(now)

    def pixels(self, ticket: int) -> int:
        """What the request decodes."""
        return (self.portraits if self.portraits.owns(ticket) else self.apart).pixels(ticket)

    def next_request(self, ticket: int, now: float, busy: bool) -> Request | None:
        """The next thing to do, each kind in its turn; while scans wait (`busy`) only now and then."""
        if next(self._portraits_first):
            return self.portraits.next_portrait(ticket, now, busy) or self.apart.next_cut(ticket, now, busy)
        return self.apart.next_cut(ticket, now, busy) or self.portraits.next_portrait(ticket, now, busy)

    def answered(self, ticket: int, answer: Answer, now: float) -> None:
        (self.portraits if self.portraits.owns(ticket) else self.apart).answered(ticket, answer, now)

    def died(self, event: Died, now: float) -> None:
        (self.portraits if self.portraits.owns(event.ticket) else self.apart).died(event, now)
