"""Whether events come from an inbox, and who holds the system's inotify watches."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator

from colorwatch.doctor.disks import TRIAL
from colorwatch.doctor.finding import Finding, fine, note, problem
from colorwatch.errors import explain_os_error
from colorwatch.watching.watch import Watch

EVENT_SECONDS = 3.0
_LIMITS = "/proc/sys/fs/inotify"
_NEARLY = 0.9


def examine_events(inbox: str, polled: bool) -> Iterator[Finding]:
    """Writes a hidden file and waits for word of it; `polled`: the inbox is looked through anyway."""
    came = threading.Event()
    name = f"{TRIAL}-{os.getpid()}-event"
    watch = Watch(inbox, False, lambda path: came.set() if path == name else None, lambda _: None)
    try:
        watch.start()
        try:
            os.close(os.open(os.path.join(inbox, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        finally:
            heard = came.wait(EVENT_SECONDS)
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(inbox, name))
    except OSError as error:
        yield _unwatchable(inbox, error)
        return
    finally:
        watch.stop()
    if heard:
        yield fine("events", inbox, "a file that this machine writes is heard of at once")
    elif polled:
        yield note("events", inbox, "no event comes from there, as is usual on shares; it is polled")
    else:
        advice = "write `watch: poll` for this folder"
        yield problem("events", inbox, f"no event came within {EVENT_SECONDS:g} s of writing a file", advice)


def _unwatchable(inbox: str, error: OSError) -> Finding:
    text = f"the inbox cannot be watched: {explain_os_error(error)}"
    if error.errno == 28:  # ENOSPC, of inotify: the user's watches are used up
        text = "the system's inotify watches are used up"
    advice = "raise the limit: echo fs.inotify.max_user_watches=524288 | sudo tee /etc/sysctl.d/60-inotify.conf"
    return problem("events", inbox, text, f"{advice} && sudo sysctl --system; until then it is polled")


def examine_limits(uid: int, proc: str = "/proc") -> Iterator[Finding]:
    """How near the user is to the limits of inotify, and which programs hold most."""
    limits = {name: _number(f"{_LIMITS}/{name}") for name in ("max_user_watches", "max_user_instances")}
    watches, instances = holders(uid, proc)
    for kind, held, limit in (
        ("watches", watches, limits["max_user_watches"]),
        ("instances", instances, limits["max_user_instances"]),
    ):
        used = sum(held.values())
        most = ", ".join(f"{program} {number:,}" for program, number in held.most_common(3))
        words = f"{used:,} of {limit:,} inotify {kind} of this user are in use" + (f" ({most})" if most else "")
        if limit and used > limit * _NEARLY:
            advice = f"raise it: sudo sysctl fs.inotify.max_user_{kind}={max(limit * 4, 1024)}"
            yield problem("inotify", kind, words, f"{advice}, and put that into /etc/sysctl.d/60-inotify.conf")
        else:
            yield fine("inotify", kind, words)


def holders(uid: int, proc: str = "/proc") -> tuple[Counter[str], Counter[str]]:
    """By program: inotify watches and instances that processes of user `uid` hold, as far as this one may see."""
    watches: Counter[str] = Counter()
    instances: Counter[str] = Counter()
    for pid in filter(str.isdigit, os.listdir(proc)):
        with contextlib.suppress(OSError):
            if os.stat(f"{proc}/{pid}").st_uid != uid:
                continue
            with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as file:
                program = file.read().strip()
            for descriptor in os.listdir(f"{proc}/{pid}/fd"):
                if os.readlink(f"{proc}/{pid}/fd/{descriptor}") != "anon_inode:inotify":
                    continue
                instances[program] += 1
                with open(f"{proc}/{pid}/fdinfo/{descriptor}", encoding="ascii", errors="replace") as file:
                    watches[program] += len(re.findall(r"^inotify wd:", file.read(), re.MULTILINE))
    return watches, instances


def _number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0
