"""From a file to a `Config`, or to the list of everything that is wrong with it."""

from __future__ import annotations

import os
from dataclasses import replace

from pydantic import ValidationError

from colorwatch.config import places, reading, sentences
from colorwatch.config.faults import Fault, lines
from colorwatch.config.groups import check_groups
from colorwatch.config.schema import Config
from colorwatch.errors import ConfigError


def load(path: str, check_folders: bool = True) -> Config:
    """The config in the file `path`, its paths absolute. Raises ConfigError with every fault, one a line.

    `check_folders`: also look whether the folders exist, let us in, and are the same under another name (symlinks,
    bind mounts). That waits for the disk; without it only the file is read, and folders are compared by name.
    """
    config, faults = _read(path, check_folders)
    if config is None or faults:
        raise ConfigError(lines(path, faults))
    return config


def load_to_run(path: str) -> tuple[Config, list[str]]:
    """The config for a daemon, and a line for each folder that it will wait for, because it is not there yet.

    Raises ConfigError, as `load` does, where anything is wrong that does not go away by itself.
    """
    config, faults = _read(path, check_folders=True)
    if config is None or not all(fault.heals for fault in faults):
        raise ConfigError(lines(path, faults))
    return config, lines(path, faults)


def _read(path: str, check_folders: bool) -> tuple[Config | None, list[Fault]]:
    try:
        document = reading.read(path)
        base = os.path.dirname(os.path.abspath(path))
    except reading.NoDocumentError as error:
        return None, [error.fault]
    except OSError:
        return None, [
            Fault((), "the current folder was removed; change to another, or name the config by its full path")
        ]
    faults = list(document.faults)
    config = None
    try:
        config = Config.model_validate(document.values, context={"base": base})
    except ValidationError as error:
        faults += sentences.explain(error.errors(include_url=False))
    faults += places.same_names(document.values)
    found = places.find_places(document.values, base, {fault.key for fault in faults})
    where, of_the_disk = places.on_disk(found) if check_folders else (places.lexical(found), [])
    faults += [*places.overlaps(found, where), *of_the_disk]
    if check_folders:
        faults += check_groups(document.values)
    if check_folders and not any(fault.key == ("model",) for fault in faults):
        faults += places.check_model_name(document.values, base, found)
    return config, [replace(fault, line=fault.line or document.line(fault.key)) for fault in faults]
