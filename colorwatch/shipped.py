"""Finds the files that come with colorwatch: the model, the example config, the unit file."""

from __future__ import annotations

import os

from colorwatch.errors import ColorwatchError

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def find(name: str) -> str:
    """The absolute path of a shipped file, `name` being its path in the repository: `models/compact.onnx`.

    An installed package carries these files in its folder `shipped`; a checkout has them beside the package.
    Raises ColorwatchError where neither is there.
    """
    for folder in (os.path.join(_PACKAGE, "shipped"), os.path.dirname(_PACKAGE)):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise ColorwatchError(f"{name} is missing from this installation of colorwatch; install it again")
