"""The net: loads an ONNX model into OpenCV's dnn module, and turns lightness into ab."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.errors import ModelError, explain_os_error
from colorwatch.scan import WorkerSetup

INPUT_SIDE = 224
OUTPUT_SIDE = 56
OUTPUT_SHAPE = (1, 2, OUTPUT_SIDE, OUTPUT_SIDE)

# OpenCV 5 chooses its engine at load. The classic one is the faster by a tenth on the embedded net, and by half on nets
# with Winograd convolutions. OpenCV 4 knows no engines; 5.x renames the new one. So names are looked up, not assumed.
_ENGINES = ("ENGINE_CLASSIC", "ENGINE_OPENCV", "ENGINE_NEW")


class Net:
    """A loaded net. One thread at a time; `digest` is the sha256 of the model file, in hex."""

    def __init__(self, graph: cv2.dnn.Net, digest: str) -> None:
        self._graph = graph
        self.digest = digest

    @classmethod
    def load(cls, path: str) -> Net:
        """Load the ONNX file `path`, and run it once to see that it keeps the contract (and to warm it up).

        The contract: `L - 50`, float32 (1, 1, 224, 224), in; ab, float32 (1, 2, 56, 56), out.
        Raises ModelError with one sentence for a person.
        """
        cv2.setNumThreads(1)
        content = _read(path)
        try:
            graph = _parse(np.frombuffer(content, np.uint8))
        except (cv2.error, SystemError, ValueError) as error:
            raise ModelError(f"The model {path!r} is damaged, or not an ONNX model.") from error
        net = cls(graph, hashlib.sha256(content).hexdigest())
        try:
            ab = net._forward(np.zeros((1, 1, INPUT_SIDE, INPUT_SIDE), np.float32))
        except cv2.error as error:
            raise ModelError(
                f"The model {path!r} cannot be run: it does not take lightness as (1, 1, 224, 224), "
                "or has layers that this OpenCV lacks."
            ) from error
        if ab.shape != OUTPUT_SHAPE:
            raise ModelError(f"The model {path!r} gives an array {ab.shape}; colorwatch needs ab as {OUTPUT_SHAPE}.")
        if not np.isfinite(ab).all():
            raise ModelError(f"The model {path!r} gives numbers that are not finite; it is damaged.")
        return net

    def predict_ab(self, lightness: NDArray[np.float32]) -> NDArray[np.float32]:
        """ab (56, 56, 2), about -110..110, for the lightness (224, 224), 0..100, of an upright picture."""
        blob = (np.asarray(lightness, np.float32) - np.float32(50)).reshape(1, 1, INPUT_SIDE, INPUT_SIDE)
        return np.ascontiguousarray(self._forward(blob)[0].transpose(1, 2, 0))

    def _forward(self, blob: NDArray[np.float32]) -> NDArray[np.float32]:
        self._graph.setInput(blob)
        # OpenCV's stubs say that forward() gives several outputs, or one; ours has one.
        output: Any = self._graph.forward()
        return np.asarray(output, dtype=np.float32)


def load(setup: WorkerSetup) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The predict function of the model that `setup` names, as workers load it; raises ModelError."""
    return Net.load(setup.model).predict_ab


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise ModelError(f"The model {path!r} is not there.") from error
    except OSError as error:
        raise ModelError(f"The model {path!r} cannot be read: {explain_os_error(error)}.") from error


def _parse(content: NDArray[np.uint8]) -> cv2.dnn.Net:
    engines = [getattr(cv2.dnn, name) for name in _ENGINES if hasattr(cv2.dnn, name)]
    if not engines:
        return cv2.dnn.readNetFromONNX(content)
    for engine in engines[:-1]:
        try:
            return cv2.dnn.readNetFromONNX(content, engine)
        except cv2.error:
            # An engine may lack a layer that the next one has.
            continue
    return cv2.dnn.readNetFromONNX(content, engines[-1])
