"""The net: loads an ONNX model into OpenCV's dnn module, and turns lightness into ab."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.errors import ModelError, explain_os_error
from colorwatch.protocol import WorkerSetup
from colorwatch.scan import printable

if TYPE_CHECKING:
    from colorwatch.colour.onepage import Predict

Floats = NDArray[np.float32]

INPUT_SIDE = 224
OUTPUT_SIDE = 56
OUTPUT_SHAPE = (1, 2, OUTPUT_SIDE, OUTPUT_SIDE)

# OpenCV 5 chooses its engine at load: the new one (called NEW in 5.0, OPENCV in later development) runs matrix products
# near the machine's peak, and the embedded net as fast as the classic one does. Where it lacks a layer, the classic one
# may have it. OpenCV 4 knows no engines. So names are looked up, not assumed.
_ENGINES = ("ENGINE_OPENCV", "ENGINE_NEW", "ENGINE_CLASSIC")


class Net:
    """A loaded net. One thread at a time."""

    def __init__(self, graph: cv2.dnn.Net, shown: str) -> None:
        self._graph = graph
        self._shown = shown

    @classmethod
    def load(cls, path: str, threads: int = 1, small: bool = False) -> Net:
        """Load the ONNX file `path`, to run on `threads` threads of OpenCV.

        `small` saves memory at the price of time: OpenCV 4 then keeps no Winograd tables, which take nine times the
        weights. Raises ModelError with one sentence for a person.
        """
        cv2.setNumThreads(threads)
        shown = printable(path)
        graph = _parse(path, shown)
        if small and hasattr(graph, "enableWinograd"):
            graph.enableWinograd(False)
        return cls(graph, shown)

    def warm_up(self) -> None:
        """Run once: it makes the tables that later passes (and forked workers) share, and shows that the net runs.

        Raises ModelError where it does not keep the contract: `L - 50`, float32 (1, 1, 224, 224), in; ab, float32
        (1, 2, 56, 56), out.
        """
        try:
            ab = self.forward(np.zeros((1, 1, INPUT_SIDE, INPUT_SIDE), np.float32))
        except cv2.error as error:
            raise ModelError(
                f"The model {self._shown} cannot be run: it does not take lightness as (1, 1, 224, 224), "
                "or has layers that this OpenCV lacks."
            ) from error
        if ab.shape != OUTPUT_SHAPE:
            raise ModelError(
                f"The model {self._shown} gives an array {ab.shape}; colorwatch needs ab as {OUTPUT_SHAPE}."
            )
        if not np.isfinite(ab).all():
            raise ModelError(f"The model {self._shown} gives numbers that are not finite; it is damaged.")

    def predict_ab(self, lightness: Floats) -> Floats:
        """ab (56, 56, 2), about -110..110, for the lightness (224, 224), 0..100, of an upright picture."""
        blob = (np.asarray(lightness, np.float32) - np.float32(50)).reshape(1, 1, INPUT_SIDE, INPUT_SIDE)
        return np.ascontiguousarray(self.forward(blob)[0].transpose(1, 2, 0))

    def forward(self, blob: Floats) -> Floats:
        """One pass of the bare net; raises cv2.error where the blob does not fit it."""
        self._graph.setInput(blob)
        # OpenCV's stubs say that forward() gives several outputs, or one; ours has one.
        output: Any = self._graph.forward()
        return np.asarray(output, dtype=np.float32)


def load(setup: WorkerSetup) -> Predict:
    """The predict function of the model that `setup` names, warmed up, as workers load it; raises ModelError."""
    net = Net.load(setup.model, setup.threads, setup.small)
    if not setup.manifest:
        net.warm_up()
        return net.predict_ab
    # Only a net of one's own needs these, and with them the reading of YAML in every worker.
    from colorwatch.colour.adapting import adapt
    from colorwatch.manifest import read

    adapted = adapt(read(setup.manifest), net.forward)
    try:
        adapted(np.full((adapted.side, adapted.side), 50, np.float32))
    except cv2.error as error:
        raise ModelError(f"The model {printable(setup.model)} cannot be run as its manifest says.") from error
    return adapted


def _parse(path: str, shown: str) -> cv2.dnn.Net:
    """The graph of the file. By its path, for OpenCV 5.0 heeds the engine for those alone, not for bytes in memory."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ModelError(f"The model {shown} is not there.") from error
    except OSError as error:
        raise ModelError(f"The model {shown} cannot be read: {explain_os_error(error)}.") from error
    try:
        # OpenCV takes UTF-8 alone for a path; a descriptor has a name that it can read, whatever the file's is.
        return _read(f"/proc/self/fd/{descriptor}")
    except (cv2.error, SystemError, ValueError) as error:
        raise ModelError(f"The model {shown} is damaged, or not an ONNX model.") from error
    finally:
        os.close(descriptor)


def _read(path: str) -> cv2.dnn.Net:
    engines = [getattr(cv2.dnn, name) for name in _ENGINES if hasattr(cv2.dnn, name)]
    for engine in engines[:-1]:
        try:
            return cv2.dnn.readNetFromONNX(path, engine)
        except cv2.error:
            continue
    return cv2.dnn.readNetFromONNX(path, *engines[-1:])
