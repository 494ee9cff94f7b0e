"""From a file to a `Config`, or to the list of everything that is wrong with it."""

from __future__ import annotations

import os
from dataclasses import replace

from pydantic import ValidationError

from colorwatch.config import places, reading, sentences
from colorwatch.config.faults import Fault, lines
from colorwatch.config.schema import Config
from colorwatch.errors import ConfigError


def load(path: str, check_folders: bool = True) -> Config:
    """The config in the file `path`, its paths absolute. Raises ConfigError with every fault, one a line.

    `check_folders`: also look whether the folders exist, let us in, and are the same under another name (symlinks,
    bind mounts). That waits for the disk; without it only the file is read, and folders are compared by name.
    """
    try:
        document = reading.read(path)
        base = os.path.dirname(os.path.abspath(path))
    except reading.NoDocumentError as error:
        raise ConfigError(lines(path, [error.fault])) from None
    except OSError:
        gone = Fault((), "the current folder was removed; change to another, or name the config by its full path")
        raise ConfigError(lines(path, [gone])) from None
    faults = list(document.faults)
    config = None
    try:
        config = Config.model_validate(document.values, context={"base": base})
    except ValidationError as error:
        faults += sentences.explain(error.errors(include_url=False))
    faults += places.same_names(document.values)
    found = places.find_places(document.values, base, {fault.key for fault in faults})
    faults += places.overlaps(found, places.on_disk(found) if check_folders else places.lexical(found))
    if check_folders:
        faults += places.check_disk(found)
        if not any(fault.key == ("model",) for fault in faults):
            faults += places.check_model_name(document.values, base, found)
    if config is None or faults:
        raise ConfigError(
            lines(path, [replace(fault, line=fault.line or document.line(fault.key)) for fault in faults])
        )
    return config
