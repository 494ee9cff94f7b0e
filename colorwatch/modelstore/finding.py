"""From the model of the config to a file on disk, and what identifies it. Loads no model: workers do that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from colorwatch import manifest
from colorwatch.errors import ModelError
from colorwatch.modelstore.catalogue import BY_DIGEST, BY_FILE, CATALOGUE, COMPACT, Form, Known
from colorwatch.modelstore.shelves import ENDINGS, Shelves, digest_of, embedded, size_of
from colorwatch.scan import printable

if TYPE_CHECKING:
    from colorwatch.config import ModelPath


@dataclass(frozen=True, slots=True)
class Found:
    """A model's file: `path` is absolute, `digest` the sha256 of its content in hex, `size` its bytes.

    `manifest` is the path of its manifest, where it has one; `why` says why this one was taken, where `auto` chose.
    """

    name: str
    path: str
    digest: str
    size: int
    form: Form
    manifest: str | None = None
    why: str = ""


def find(model: str | ModelPath, shelves: Shelves) -> Found:
    """The file behind `auto`, a known name, the name of an imported model, or a path that the config trusts.

    Only files whose sha256 is known or trusted are ever taken. Raises ModelError, with a sentence, where the name is
    unknown, or the file is missing, unreadable, empty or not the one it should be.
    """
    if not isinstance(model, str):
        name = printable(os.path.basename(model.path))
        return _found(name, model.path, digest_of(model.path))
    if model == "auto":
        return _automatic(shelves)
    if model in CATALOGUE:
        return _known(CATALOGUE[model], shelves)
    return _own(model, shelves)


def search(known: Known, shelves: Shelves) -> tuple[str | None, list[str]]:
    """The path of the known model's file, and the files that only look like it, each with what is wrong, in words."""
    if known.form is Form.EMBEDDED:
        return embedded(f"models/{known.file}"), []
    faults = []
    for path in shelves.files():
        size, called_so = size_of(path), os.path.basename(path) == known.file
        if not called_so and (known.size is None or size != known.size):
            continue
        if known.size is not None and size != known.size:
            faults.append(f"{printable(path)} has {size:,} bytes instead of {known.size:,}")
            continue
        try:
            if digest_of(path) == known.sha256:
                return path, faults
        except ModelError as error:
            faults.append(str(error).rstrip("."))
            continue
        if called_so:
            faults.append(f"{printable(path)} has another content (its sha256 is not the known one)")
    return None, faults


def find_trusted(name: str, shelves: Shelves) -> str | None:
    """The path of the imported model `name` that --trust has let in, or None. The name is that of its file."""
    trusted = shelves.trusted()
    for folder in shelves.folders():
        for ending in ENDINGS:
            path = os.path.join(folder, name + ending)
            if size_of(path) and digest_of(path) in trusted:
                return path
    return None


def manifest_of(path: str) -> str | None:
    """The manifest of the model file `path`: the one beside it, else the one that comes with colorwatch, or None.

    A net without one keeps the usual contract (`colorwatch.manifest.CONTRACT`).
    """
    there = manifest.beside(path)
    known = BY_FILE.get(os.path.basename(path))
    if there is None and known is not None and known.manifest is not None:
        return embedded(known.manifest)
    return there


def _automatic(shelves: Shelves) -> Found:
    published = CATALOGUE["zhang2016"]
    path, faults = search(published, shelves)
    if path is not None:
        found = _found(published.name, path, published.sha256)
        return _because(found, f"auto: the published net is in {printable(path)}")
    why = "auto: the published net is not here; to get it: colorwatch models fetch zhang2016"
    if faults:
        why = f"auto: the published net is not here ({'; '.join(faults)}); to get it: colorwatch models fetch zhang2016"
    return _because(_known(COMPACT, shelves), why)


def _known(known: Known, shelves: Shelves) -> Found:
    path, faults = search(known, shelves)
    if path is None:
        wrong = f" ({'; '.join(faults)})" if faults else ""
        raise ModelError(
            f"The model {known.name} is not here{wrong}. Get it with: colorwatch models fetch {known.name}"
        )
    return _found(known.name, path, digest_of(path) if known.form is Form.EMBEDDED else known.sha256)


def _own(name: str, shelves: Shelves) -> Found:
    from colorwatch.config.values import unknown_model

    path = find_trusted(name, shelves)
    if path is not None:
        return _found(name, path, digest_of(path))
    lying = [os.path.join(folder, name + ending) for folder in shelves.folders() for ending in ENDINGS]
    for path in lying:
        if size_of(path) is not None:
            raise ModelError(
                f"{printable(path)} is not a known model. If you trust where it comes from: "
                f"colorwatch models import {printable(path)} --trust"
            )
    raise ModelError(unknown_model(name))


def _found(name: str, path: str, digest: str) -> Found:
    known = BY_DIGEST.get(digest)
    form = known.form if known else Form.CAFFE if path.lower().endswith(".caffemodel") else Form.ONNX
    described = manifest_of(path) if form is Form.ONNX else None
    if described is None and known is not None and known.manifest is not None:
        described = embedded(known.manifest)
    return Found(name, path, digest, size_of(path) or 0, form, described)


def _because(found: Found, why: str) -> Found:
    return Found(found.name, found.path, found.digest, found.size, found.form, found.manifest, why)
