"""The machine: memory, cores, who runs this, and the model, tried out in a process of its own."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from colorwatch.budget import MIB, auto_budget, auto_workers, net_bytes, usable_cores, usable_memory
from colorwatch.doctor.finding import Finding, fine, note, problem

if TYPE_CHECKING:
    from colorwatch.config import Config
    from colorwatch.modelstore import Model

TRIAL_SECONDS = 180.0
_LITTLE = 300 * MIB


def examine_user(state: str) -> Iterator[Finding]:
    """Whether this runs as the user whose state folder it is: another one sees other permissions."""
    try:
        owner = os.stat(state).st_uid
    except OSError:
        return
    if owner != os.geteuid():
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"#{owner}"
        yield note(
            "user",
            state,
            f"the state folder belongs to {name}, so that is who colorwatch runs as; permissions are judged for another"
            " user here",
            f"ask again with: sudo -u {shlex.quote(name)} colorwatch doctor",
        )


def examine_memory(config: Config, model: Model) -> Iterator[Finding]:
    """What the daemon would plan with."""
    available, net = usable_memory(), net_bytes(model.path, model.small)
    cores = usable_cores()
    left = max(0, available - net)
    workers = config.workers if isinstance(config.workers, int) else auto_workers(cores, left)
    limit = config.limits.memory_megabytes
    budget = limit * MIB if isinstance(limit, int) else auto_budget(left, workers)
    words = (
        f"{available // MIB:,} MB usable; the net takes {net // MIB:,}, {workers} worker(s) on {cores} core(s),"
        f" {budget // MIB:,} MB for scans in work"
    )
    if left < _LITTLE:
        yield problem("memory", model.name, words, "write net_memory: small, model: compact, or give it more memory")
    elif workers > cores:
        yield note("memory", model.name, words, f"more workers than cores only take turns: write workers: {cores}")
    else:
        yield fine("memory", model.name, words)


def examine_net(model: Model) -> Iterator[Finding]:
    """Loads the net in a process of its own and runs it once."""
    request = json.dumps({"model": model.path, "small": model.small, "manifest": model.manifest})
    command = [sys.executable, "-P", "-m", "colorwatch.doctor.trial", request]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        yield problem("net", model.name, f"it did not run within {TRIAL_SECONDS:g} s", "is the machine overloaded?")
        return
    told = ended.stdout.strip().splitlines()
    if ended.returncode != 0 or not told:
        why = told[-1] if told else ended.stderr.strip().splitlines()[-1:] or [f"exit code {ended.returncode}"]
        yield problem(
            "net",
            model.name,
            f"it does not run: {why if isinstance(why, str) else why[0]}",
            "colorwatch models verify tells whether its file is whole; reinstall colorwatch if it is",
        )
        return
    found = json.loads(told[-1])
    yield fine(
        "net",
        model.name,
        f"OpenCV {found['opencv']} ran it in {found['seconds']:.2f} s ({found['features']}); {model.why or model.path}",
    )
