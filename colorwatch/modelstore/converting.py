"""The child that reads models: `python -m colorwatch.modelstore.converting ORDER...`, its answer one line of JSON.

    prepare SOURCE SHA256 CACHE fast|small   {"path": a converted model in CACHE}
    check MODEL MANIFEST                     {} (MANIFEST may be empty: the usual contract)

Whatever goes wrong is answered as {"fault": one sentence}. Only here, and in workers, is a model's content read.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from colorwatch import caffemodel, manifest, published
from colorwatch.errors import ColorwatchError, ModelError, explain_os_error
from colorwatch.modelstore import cache, placing
from colorwatch.modelstore.shelves import open_model
from colorwatch.scan import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onnx import ValueInfoProto

MAX_ONNX_BYTES = (1 << 31) - 1  # protobuf's own limit


def prepare(source: str, digest: str, folder: str, *, small: bool) -> str:
    """The path of the caffemodel `source` as an ONNX model: out of the cache `folder`, or converted into it.

    Raises ModelError where the source is not the published net, or has another sha256 than `digest`.
    """
    import cv2

    draw, name = _graph(cv2.__version__, small=small)
    entry = cache.Entry(folder, digest, f"{published.CONVERTER_VERSION}-{name}")
    if entry.is_whole():
        return entry.path
    placing.make_folder(folder)  # before the work of a conversion that could not be kept
    content = _content(source)
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError(f"{printable(source)} has changed while it was looked at; try again.")
    shown = printable(source)
    entry.write(draw(published.check(caffemodel.parse(content, shown), shown=shown)))
    return entry.path


def _graph(opencv: str, *, small: bool) -> tuple[Callable[[published.Weights], list[bytes]], str]:
    """How the graph is drawn, and what it is called."""
    if small:
        # Without Winograd tables what counts is the size of the weights, and those of the plain graph are the least.
        return published.plain_graph, "plain"
    return (lambda weights: published.fast_graph(weights, opencv)), published.graph_name(opencv)


def check(model: str, described: str) -> None:
    """Whether the ONNX file `model` is one that its manifest describes. Raises ModelError with what differs."""
    import onnx
    from google.protobuf.message import DecodeError

    wanted = manifest.read(described) if described else manifest.CONTRACT
    shown = printable(model)
    try:
        graph = onnx.load_model_from_string(_content(model)).graph
    except DecodeError:
        raise ModelError(f"{shown} is damaged, or not an ONNX model.") from None
    if not graph.node:
        raise ModelError(f"{shown} is not an ONNX model: it has no layers.")
    if any(each.data_location == onnx.TensorProto.EXTERNAL for each in graph.initializer):
        raise ModelError(f"{shown} keeps its weights in other files; save it again as one file.")
    weights = {each.name for each in graph.initializer}
    inputs = _ends((each for each in graph.input if each.name not in weights), shown)
    try:
        manifest.check(wanted, inputs, _ends(graph.output, shown))
    except ModelError as error:
        raise ModelError(f"{shown} cannot be used. {error}") from None


def _ends(values: Iterable[ValueInfoProto], shown: str) -> dict[str, manifest.Shape]:
    import onnx

    found: dict[str, manifest.Shape] = {}
    for value in values:
        tensor = value.type.tensor_type
        if tensor.elem_type != onnx.TensorProto.FLOAT:
            raise ModelError(f"{shown} cannot be used: {printable(value.name)} is not float32.")
        dims = tensor.shape.dim
        found[value.name] = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)
    return found


def _content(path: str) -> bytes:
    descriptor = open_model(path)
    try:
        size = os.fstat(descriptor).st_size
        if size > MAX_ONNX_BYTES:
            raise ModelError(f"{printable(path)} has {size:,} bytes, more than any model that can be used here.")
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            return file.readall()
    except OSError as error:
        raise ModelError(f"The model file {printable(path)} cannot be read: {explain_os_error(error)}.") from None
    finally:
        os.close(descriptor)


def answer(order: list[str]) -> dict[str, str]:
    """Carries out one order; what went wrong comes back as a sentence."""
    try:
        match order:
            case ["prepare", source, digest, folder, "fast" | "small" as way]:
                return {"path": prepare(source, digest, folder, small=way == "small")}
            case ["check", model, described]:
                check(model, described)
                return {}
    except ColorwatchError as error:
        return {"fault": str(error)}
    except MemoryError:
        return {"fault": "There is not enough memory to convert the model."}
    except ImportError as error:
        return {"fault": f"The model cannot be converted: {error}; install colorwatch again."}
    except OSError as error:
        return {"fault": f"The converted model cannot be kept: {explain_os_error(error)}."}
    return {"fault": f"colorwatch itself failed: it does not know the order {order[:1]}."}


if __name__ == "__main__":
    print(json.dumps(answer(sys.argv[1:])))
