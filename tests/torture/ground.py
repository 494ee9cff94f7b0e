"""The ground that is tortured: a house whose daemon is started again whenever it ends, and numbered scans."""

from __future__ import annotations

import contextlib
import datetime
import errno
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from house import UNFINISHED, House, files
from torture.pictures import EXTENSIONS, Scan, scan
from waiting import eventually

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPOSITORY = os.path.dirname(TESTS)
GREY = "fault_nets:grey_net"


@dataclass
class Life:
    """One life of the daemon. Times are Unix time."""

    pid: int
    began: float
    log_from: int
    ended: float | None = None
    code: int | None = None
    asked: bool = False  # to end, by the bench

    @property
    def odd(self) -> bool:
        """It ended by itself, with a code that is not one of a ledger that could not be written or a folder missing."""
        return not self.asked and self.code is not None and self.code not in (-signal.SIGKILL, 3, 7)


@dataclass
class Ground(House):
    """A house with numbered scans. `begin` starts the daemon and, as systemd would, starts it again when it dies."""

    net: str | None = GREY  # None: the net that is shipped
    backoff: str = "0.3,2"
    environment: dict[str, str] = field(default_factory=dict)  # of the next start, and those after it
    pause: float = 0.05  # before the next start
    scans: list[Scan] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    on_start: Callable[[], None] | None = None  # called right before each start, in the keeper's thread
    wrapper: tuple[str, ...] = ()
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _stopping: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.settings = {"settle_seconds": 0.2, "rescan_seconds": 2, **self.settings}
        limits = self.top.get("limits", {})
        assert isinstance(limits, dict)
        self.top = {"workers": 2, **self.top, "limits": {"min_free_megabytes": 0, **limits}}
        super().__post_init__()

    # --- the daemon -----------------------------------------------------------------------------------------------

    def command(self, *arguments: str) -> list[str]:
        net = ["--net", self.net] if self.net else []
        program = [sys.executable, os.path.join(TESTS, "torture", "daemon.py"), *net, "--backoff", self.backoff]
        return [*self.wrapper, *program, *arguments, "--config", self.path("config.yaml")]

    def variables(self) -> dict[str, str]:
        paths = [REPOSITORY, TESTS, *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def call(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=timeout, check=False, env=self.variables()
        )

    def popen(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begins one command, whose words nobody needs."""
        with open(os.devnull, "wb") as nothing:
            return subprocess.Popen(self.command(*arguments), stdout=nothing, stderr=nothing, env=self.variables())

    def start(self) -> None:
        """Starts the daemon in a session of its own, once."""
        variables = {**self.variables(), **self.environment}
        with open(self.path("log"), "ab") as log:
            life = Life(0, time.time(), log.tell())
            # In a folder that is no source tree: what lies there must not be imported.
            self.daemon = subprocess.Popen(
                self.command("run"), stdout=log, stderr=log, start_new_session=True, env=variables, cwd=self.root
            )
            life.pid = self.daemon.pid
        self.lives.append(life)

    def begin(self) -> None:
        """Starts the daemon, and again whenever it ends, until `end`."""
        self._stopping.clear()
        if self.on_start:
            self.on_start()
        self.start()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._keeper.start()

    def _keep(self) -> None:
        while True:
            daemon, life = self.daemon, self.lives[-1]
            assert daemon is not None
            code = daemon.wait()
            life.ended, life.code = time.time(), code
            if self._stopping.wait(self.pause):
                return
            with self._lock:
                if self._stopping.is_set():
                    return
                if self.on_start:
                    self.on_start()
                self.start()

    def end(self, timeout: float = 60) -> int:
        """SIGTERM and no further start; the exit code, or that of SIGKILL where it did not end in time.

        A daemon that was only just started gets a moment to clean up after the one before it.
        """
        with contextlib.suppress(AssertionError):
            eventually(lambda: not files(self.path("outbox", ".colorwatch")), 10)
        with self._lock:
            self._stopping.set()
            self.lives[-1].asked = True
        assert self.daemon is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.daemon.pid, signal.SIGTERM)
        try:
            code = self.daemon.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.daemon.pid, signal.SIGKILL)
            code = self.daemon.wait(30)
        if self._keeper is not None:
            self._keeper.join(10)
        return code

    def abandon(self) -> None:
        """Ends everything at once, for a run that has failed."""
        with self._lock:
            self._stopping.set()
        if self.daemon is not None and self.daemon.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.daemon.pid, signal.SIGKILL)
            self.daemon.wait(30)

    def terminate(self) -> None:
        """SIGTERM by the bench; the keeper starts it again."""
        self.lives[-1].asked = True
        self.signal(signal.SIGTERM)

    def signal(self, number: int, *, group: bool = False) -> bool:
        """To the daemon that runs now, if one does."""
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.daemon.pid, number)
            return True
        return False

    def processes(self) -> dict[str, list[int]]:
        """The pids that belong to the running daemon, by role: daemon, zygote, worker."""
        assert self.daemon is not None
        members = sessions().get(self.daemon.pid, [])
        found: dict[str, list[int]] = {"daemon": [], "zygote": [], "worker": []}
        for pid, parent, _ in members:
            if pid == self.daemon.pid:
                found["daemon"].append(pid)
            elif parent == self.daemon.pid:
                found["zygote"].append(pid)
            else:
                found["worker"].append(pid)
        return found

    def leftovers(self) -> list[int]:
        """Processes of daemons that are gone."""
        known = sessions()
        running = self.daemon.pid if self.daemon is not None and self.daemon.poll() is None else 0
        return [
            pid
            for life in self.lives
            if life.pid != running
            for pid, _, state in known.get(life.pid, [])
            if state not in "ZX"
        ]

    # --- scans ----------------------------------------------------------------------------------------------------

    def drop(self, folder: str = "", count: int = 1, extension: str | None = None) -> list[Scan]:
        """New scans into the inbox, each renamed into its place."""
        dropped = []
        os.makedirs(self.path("inbox", folder), exist_ok=True)
        for _ in range(count):
            number = next(self._numbers)
            ending = extension or EXTENSIONS[number % len(EXTENSIONS)]
            one, content = scan(number, os.path.join(folder, f"{number:06}{ending}"))
            self.put(one.path, content)
            dropped.append(one)
        self.scans += dropped
        return dropped

    def put(self, path: str, content: bytes) -> None:
        """One file into the inbox, whole at once."""
        temporary = self.path("coming")
        with open(temporary, "wb") as file:
            file.write(content)
        try:
            os.rename(temporary, self.path("inbox", path))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.move(temporary, self.path("inbox", path))

    # --- the ledger -----------------------------------------------------------------------------------------------

    def ask(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Rows of the ledger, read beside the daemon and leaving its file as it is; none where it cannot be read."""
        path = quote(self.path("state", "ledger.sqlite3"))
        try:
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        except sqlite3.Error:
            return []
        try:
            db.row_factory = sqlite3.Row
            return db.execute(sql, values).fetchall()
        except sqlite3.Error:
            return []
        finally:
            db.close()

    def counts(self) -> dict[str, int]:
        return {row[0]: row[1] for row in self.ask("SELECT state, COUNT(*) FROM job GROUP BY state")}

    # --- waiting --------------------------------------------------------------------------------------------------

    def ended(self, states: tuple[str, ...] = ("done", "quarantined", "skipped")) -> int:
        counts = self.counts()
        return sum(counts.get(state, 0) for state in states)

    def wait_all(self, count: int | None = None, timeout: float = 180) -> None:
        """Until `count` jobs (as many as scans, where not given) have ended and none is under way."""
        wanted = len(self.scans) if count is None else count

        def over() -> bool:
            counts = self.counts()
            return sum(counts.values()) >= wanted and not UNFINISHED & {state for state, n in counts.items() if n}

        eventually(over, timeout, f"{wanted} jobs ended; the ledger says {self.counts()}")

    def lines(self, start: int = 0) -> list[dict[str, object]]:
        """The log from byte `start` on."""
        with open(self.path("log"), "rb") as log:
            log.seek(start)
            text = log.read().decode("utf-8", "replace")
        found = []
        for line in text.splitlines():
            with contextlib.suppress(ValueError):
                if line.startswith("{"):
                    found.append(json.loads(line))
        return found

    def plain_lines(self) -> list[str]:
        """What is in the log and is no event: tracebacks, words of the interpreter."""
        with open(self.path("log"), "rb") as log:
            return [line for line in log.read().decode("utf-8", "replace").splitlines() if line and line[0] != "{"]

    def working(self) -> bool:
        """Whether the running daemon has finished a scan in this life."""
        life = self.lives[-1]
        with open(self.path("log"), "rb") as log:
            log.seek(life.log_from)
            return b'"job.done"' in log.read()


def sessions() -> dict[int, list[tuple[int, int, str]]]:
    """All processes of this machine by session: (pid, parent, state)."""
    found: dict[int, list[tuple[int, int, str]]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with (
                contextlib.suppress(OSError, IndexError),
                open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file,
            ):
                state, parent, _, session = file.read().rsplit(")", 1)[1].split()[:4]
                found.setdefault(int(session), []).append((int(name), int(parent), state))
    return found


def recovery(ground: Ground) -> list[float]:
    """Seconds from each start but the first to the first scan that was finished in that life."""
    seconds = []
    with open(ground.path("log"), "rb") as log:
        text = log.read()
    for life, following in itertools.pairwise([*ground.lives[1:], None]):
        assert life is not None
        part = text[life.log_from : following.log_from if following else None]
        place = part.find(b'"event": "job.done"')
        if place >= 0:
            line = part[part.rfind(b"\n", 0, place) + 1 :].split(b"\n", 1)[0]
            with contextlib.suppress(ValueError):
                when = datetime.datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
                seconds.append(when - life.began)
    return seconds


def percentile(values: list[float], share: float) -> float | None:
    """The value below which `share` (0..1) of them lie; None of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
