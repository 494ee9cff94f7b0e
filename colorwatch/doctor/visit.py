"""The whole examination, in the order in which a person would mend things."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from colorwatch.asking.history import running_daemon
from colorwatch.budget import MIB
from colorwatch.doctor.disks import examine_folder
from colorwatch.doctor.events import examine_events, examine_limits
from colorwatch.doctor.finding import Finding, fine, note, problem
from colorwatch.doctor.machine import examine_memory, examine_net, examine_user
from colorwatch.errors import ModelError
from colorwatch.watching import mounts

if TYPE_CHECKING:
    from colorwatch.config import Config
    from colorwatch.modelstore import Model


def examine(config: Config, find_model: Callable[[], Model]) -> Iterator[Finding]:
    """Finding after finding, as each check ends; nothing is changed, and what a trial writes it takes away.

    `find_model` gives the config's model, or raises ModelError with a sentence.
    """
    pid = running_daemon(config.state)
    yield (
        fine("daemon", config.state, f"colorwatch runs (process {pid})")
        if pid
        else note("daemon", config.state, "colorwatch does not run", "start it: sudo systemctl start colorwatch")
    )
    yield from examine_user(config.state)
    min_free = int(config.limits.min_free_megabytes * MIB)
    yield from examine_folder("state", config.state, min_free)
    for folder in config.folders:
        places = {"inbox": folder.inbox, "outbox": folder.outbox, "archive": folder.archive}
        places["quarantine"] = folder.quarantine
        for role, path in places.items():
            if path:
                yield from examine_folder(role, path, min_free)
        if os.path.isdir(folder.inbox):
            yield from examine_events(folder.inbox, folder.watch == "poll" or _shared(folder.inbox))
    yield from examine_limits(os.geteuid())
    try:
        model = find_model()
    except ModelError as error:
        yield problem("net", str(config.model), str(error), "colorwatch models list tells which models are here")
        return
    yield from examine_memory(config, model)
    yield from examine_net(model)


def _shared(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        mount = mounts.of_number(mounts.table(), mounts.number_of(descriptor))
    finally:
        os.close(descriptor)
    return mount is not None and mount.shared
