"""`status --watch`: status as a picture, drawn every second on a terminal; elsewhere a line for each change."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from colorwatch.asking.history import Report
from colorwatch.cli.picture import Pace, line, page
from colorwatch.cli.terminal import out
from colorwatch.errors import StateError

if TYPE_CHECKING:
    from rich.console import RenderableType

SECONDS = 1.0


def show(look: Callable[[int], Report], as_json: bool) -> None:
    """Until Ctrl-C or SIGTERM. `look(rows)` reads the ledger; raises StateError where there is none at the start."""
    # Else a terminal would be left as the picture was drawn: without its cursor, on the other screen.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        if out.is_terminal and not as_json:
            _draw(look)
        else:
            _tell(look, as_json)


def _draw(look: Callable[[int], Report]) -> None:
    pace = Pace()
    told = look(out.height)
    with Live(console=out, screen=True, auto_refresh=False) as live:
        while True:
            per_minute = pace.seen(time.monotonic(), told.counts["done"])
            live.update(_Page(told, per_minute), refresh=True)
            trouble = True
            while trouble:
                time.sleep(SECONDS)
                try:
                    told, trouble = look(out.height), False
                except StateError as error:  # the state folder is being moved, or made anew
                    live.update(Text(str(error)), refresh=True)


@dataclasses.dataclass(frozen=True, slots=True)
class _Page:
    """Fits itself to the terminal each time that it is drawn."""

    told: Report
    pace: float | None

    def __rich__(self) -> RenderableType:
        return Group(*page(self.told, out.width, out.height, time.time(), self.pace))


def _tell(look: Callable[[int], Report], as_json: bool) -> None:
    last = None
    while True:
        told = look(10)
        # What merely grows with the clock is no news.
        news = dataclasses.replace(told, eta_seconds=None)
        if news != last:
            last = news
            text = json.dumps(dataclasses.asdict(told)) if as_json else line(told, time.time())
            print(text, flush=True)
        time.sleep(SECONDS)
