"""Nets of one's own: what their manifest says, done before and after the forward pass."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.errors import ModelError
from colorwatch.manifest import Manifest
from colorwatch.scan import printable

Floats = NDArray[np.float32]

Forward = Callable[[Floats], Floats]
"""One pass of the bare net: a blob (1, channels, height, width) in, what the graph gives out."""

LARGEST_AB = 128.0  # no colour of sRGB has an a or b beyond 108


class Adapted:
    """A predict function: lightness (any square), 0..100, of an upright picture in; ab (rows, columns, 2) out.

    `side` is the side of the square that it would like to be given, in pixels; others are brought to the net's size.
    """

    def __init__(self, manifest: Manifest, forward: Forward) -> None:
        self._manifest = manifest
        self._forward = forward
        self._scale, self._offset = (_per_channel(each) for each in (manifest.input.scale, manifest.input.offset))
        self._out_scale, self._out_offset = (
            _per_channel(each) for each in (manifest.output.scale, manifest.output.offset)
        )
        self.side = max(manifest.input.size)

    def __call__(self, lightness: Floats) -> Floats:
        """ab, about -110..110. Raises ModelError where the net gives something else than its manifest says."""
        blob = self._blob(_resized(np.asarray(lightness, np.float32), self._manifest.input.size))
        return self._ab(self._forward(blob))

    def _blob(self, lightness: Floats) -> Floats:
        kind = self._manifest.input.kind
        planes = lightness[None]
        if kind != "L":
            lab = np.zeros((*lightness.shape, 3), np.float32)
            lab[..., 0] = lightness
            # A grey has R = G = B only up to rounding; the nets were given exactly this.
            seen = lab if kind == "lab" else np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), np.float32)
            planes = seen.transpose(2, 0, 1)
        return np.ascontiguousarray((planes * self._scale + self._offset)[None], np.float32)

    def _ab(self, given: Floats) -> Floats:
        output = self._manifest.output
        if given.ndim != 4 or given.shape[:2] != (1, output.channels) or 0 in given.shape:
            shape = tuple(int(axis) for axis in given.shape)
            wanted = f"(1, {output.channels}, height, width)"
            raise ModelError(f"The net {printable(self._manifest.name)} gives an array {shape}, not {wanted}.")
        colour = (given[0] * self._out_scale + self._out_offset).transpose(1, 2, 0).astype(np.float32)
        if not np.isfinite(colour).all():
            raise ModelError(f"The net {printable(self._manifest.name)} gives numbers that are not finite.")
        if output.kind == "rgb":
            lab = cv2.cvtColor(np.ascontiguousarray(colour.clip(0, 1)), cv2.COLOR_RGB2Lab)
            colour = np.asarray(lab, np.float32)[..., 1:]
        return np.ascontiguousarray(colour.clip(-LARGEST_AB, LARGEST_AB))


def adapt(manifest: Manifest, forward: Forward) -> Adapted:
    """The predict function of a net with this manifest; see `Adapted`. Runs nothing yet."""
    return Adapted(manifest, forward)


def _per_channel(numbers: tuple[float, ...]) -> Floats:
    return np.array(numbers, np.float32).reshape(-1, 1, 1)


def _resized(lightness: Floats, size: tuple[int, int]) -> Floats:
    if lightness.shape == size:
        return lightness
    smaller = lightness.shape[0] >= size[0] and lightness.shape[1] >= size[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(lightness, (size[1], size[0]), interpolation=how), np.float32)
    return np.asarray(resized.clip(0, 100), np.float32)
