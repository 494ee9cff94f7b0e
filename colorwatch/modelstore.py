"""From the model of the config to a file on disk, and what identifies it. Loads no model: workers do that."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass

from colorwatch import shipped
from colorwatch.config import MODEL_NAMES, ModelPath
from colorwatch.config.schema import unknown_model
from colorwatch.errors import ColorwatchError, ModelError, explain_os_error
from colorwatch.scan import printable


@dataclass(frozen=True, slots=True)
class Model:
    """A model file: `path` is absolute, `digest` the sha256 of its content in hex. `name` is for people."""

    name: str
    path: str
    digest: str


def resolve(model: str | ModelPath) -> Model:
    """The file behind a name of `MODEL_NAMES`, or behind a path that the config trusts.

    Raises ModelError, with a sentence, where the name is unknown or the file is missing, unreadable or empty.
    """
    if isinstance(model, ModelPath):
        name, path = printable(os.path.basename(model.path)), model.path
    elif model in MODEL_NAMES:
        name, path = model, _shipped(model)
    else:
        raise ModelError(unknown_model(model))
    return Model(name, path, _digest(path))


def _shipped(name: str) -> str:
    try:
        return shipped.find(f"models/{name}.onnx")
    except ColorwatchError as error:
        raise ModelError(f"The model {name} cannot be used: {error}.") from None


def _digest(path: str) -> str:
    shown = printable(path)
    try:
        # O_NONBLOCK: opening a fifo would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ModelError(f"There is no model file {shown}; name one that is there, or write model: compact.") from None
    except OSError as error:
        raise ModelError(f"The model file {shown} cannot be opened: {explain_os_error(error)}.") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ModelError(f"{shown} is no regular file, so it cannot be a model; name an .onnx file.")
        if found.st_size == 0:
            raise ModelError(f"The model file {shown} is empty; copy it again from where it came.")
        with open(descriptor, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"The model file {shown} cannot be read: {explain_os_error(error)}.") from None
    finally:
        os.close(descriptor)
