"""What a finished job's row says of its result that its owner may want to know. Pure; the service's thread calls it."""

from __future__ import annotations

import os

from colorwatch.scan import EXTENSIONS, Flag, Job, printable

SHALLOW = ("jpeg", "webp")  # formats of results that hold 8 bits a channel
_NAMES = {"jpeg": "JPEG", "png": "PNG", "tiff": "TIFF", "webp": "WebP", "pdf": "PDF"}
_SCANS = {"avif": "AVIF", "heic": "HEIC", "gif": "GIF", "bmp": "BMP", "pnm": "PNM", "jp2": "JPEG 2000"}


def flags_of(job: Job) -> tuple[Flag, ...]:
    """What the worker noticed first, and then what the settings and the formats brought about; each word once."""
    found = [*(job.result.flags if job.result else ()), *_of_choice(job), *_of_format(job)]
    words = {flag.word: Flag(printable(flag.word), printable(flag.sentence)) for flag in reversed(found)}
    return tuple(reversed(words.values()))


def _of_choice(job: Job) -> list[Flag]:
    redo = job.redo
    if redo is None or redo.under_way or not (redo.settings or redo.model):
        return []
    chosen = [f"{name.replace('_', ' ')} {value:g}" for name, value in redo.settings.items()]
    chosen += [f"the model {redo.model}"] if redo.model else []
    return [Flag("own settings", f"It was coloured again with settings of its own: {', '.join(chosen)}.")]


def _of_format(job: Job) -> list[Flag]:
    extension = os.path.splitext(job.output or "")[1].lower()
    result = next((name for name, endings in EXTENSIONS.items() if extension in endings), "")
    if job.facts is None or not result:
        return []
    found = []
    if job.facts.bits > 8 and result in SHALLOW:
        told = f"The scan has {job.facts.bits} bits a channel, and the result, a {_NAMES[result]}, has 8."
        found.append(Flag("8 bits", told))
    if job.facts.format in _SCANS:
        told = f"{_SCANS[job.facts.format]} is read and not written: the result is a {_NAMES[result]}."
        found.append(Flag("another format", told))
    return found
