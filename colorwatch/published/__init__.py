"""The published net (R. Zhang, P. Isola, A. A. Efros, ECCV 2016): its layer table, and its rewriting to ONNX.

    weights = check(caffemodel.read(path), shown=path)
    model = fast_graph(weights, cv2.__version__)

Every graph takes `data_l`, float32 (1, 1, 224, 224), the lightness L of CIE Lab minus 50, and gives `ab`, float32
(1, 2, 56, 56); all give the same ab up to float rounding. A model comes as a list of bytes, a file in parts that
follow each other. The `onnx` library is loaded when a graph is drawn.
"""

from __future__ import annotations

from colorwatch.published.bins import bins
from colorwatch.published.canvas import canvas_graph
from colorwatch.published.layers import PUBLISHED, Table, Weights, check, table
from colorwatch.published.matrix import matrix_graph
from colorwatch.published.plain import plain_graph

CONVERTER_VERSION = 4  # part of the name of a cached conversion: raise it with every change of what a graph holds

__all__ = [
    "CONVERTER_VERSION",
    "PUBLISHED",
    "Table",
    "Weights",
    "bins",
    "canvas_graph",
    "check",
    "fast_graph",
    "graph_name",
    "matrix_graph",
    "plain_graph",
    "table",
]


def graph_name(opencv: str) -> str:
    """Which graph is the fastest on the OpenCV of this version (as in `cv2.__version__`): "canvas" or "matrix".

    OpenCV 4 has fast Winograd convolutions and slow matrix products; OpenCV 5's new engine has it the other way round.
    """
    return "canvas" if int(opencv.split(".")[0]) < 5 else "matrix"


def fast_graph(weights: Weights, opencv: str) -> list[bytes]:
    """`weights`, in parts, as the ONNX model that runs fastest on the OpenCV of version `opencv`."""
    return canvas_graph(weights) if graph_name(opencv) == "canvas" else matrix_graph(weights)
