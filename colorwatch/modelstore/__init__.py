"""The models: known ones by name, own ones by path or name; found, fetched, imported, and made ready to run.

    shelves = Shelves(state=config.state, beside=FOLDER_OF_THE_CONFIG)
    found = find(config.model, shelves)                          # looks only
    model = resolve(config.model, shelves, config.net_memory)    # converts once, if need be

Nothing here reads a model's content but its sha256: that happens in a child process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from colorwatch import manifest
from colorwatch.budget import net_small, usable_memory
from colorwatch.modelstore.catalogue import BY_DIGEST, CATALOGUE, Form, Known
from colorwatch.modelstore.child import ask
from colorwatch.modelstore.finding import Found, find
from colorwatch.modelstore.importing import Stored, fetch, import_file, remove
from colorwatch.modelstore.listing import Row, overview, verify
from colorwatch.modelstore.shelves import Shelves

if TYPE_CHECKING:
    from colorwatch.config import ModelPath

__all__ = [
    "BY_DIGEST",
    "CATALOGUE",
    "Form",
    "Found",
    "Known",
    "Model",
    "Row",
    "Shelves",
    "Stored",
    "fetch",
    "find",
    "import_file",
    "overview",
    "prepare",
    "remove",
    "resolve",
    "verify",
]


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a net can be loaded from: `path` is the ONNX file, absolute; `digest` the sha256 of its source.

    The digest stays the same whatever a source is converted to. `name` is for people, `why` says why `auto` took it.
    `small`: to be loaded for little memory rather than for speed. `manifest`: the path of the manifest, if it has one.
    """

    name: str
    path: str
    digest: str
    why: str = ""
    small: bool = False
    manifest: str = ""


def resolve(model: str | ModelPath, shelves: Shelves | None = None, net_memory: str = "auto") -> Model:
    """The model of the config, ready to be loaded by a worker; converted first, where that was not done yet.

    `net_memory` is auto, fast or small. Raises ModelError with a sentence, as `find` does.
    """
    shelves = shelves or Shelves()
    return prepare(find(model, shelves), shelves, net_memory)


def prepare(found: Found, shelves: Shelves, net_memory: str = "auto") -> Model:
    """What was found, as a model that a net can be loaded from. Raises ModelError."""
    small = net_small(net_memory, usable_memory(), found.size)
    path = found.path
    if found.form is Form.CAFFE:
        path = ask("prepare", found.path, found.digest, shelves.cache, "small" if small else "fast")["path"]
    elif found.manifest is not None:
        # Its faults are named one by one here, and not by each worker that would end by them.
        manifest.read(found.manifest)
        ask("check", found.path, found.manifest)
    return Model(found.name, path, found.digest, found.why, small, found.manifest or "")
