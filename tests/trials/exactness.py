"""Ours against the original script, ab and finished picture, on caffemodels of the published shapes.

    OPENCV4/bin/python tests/trials/exactness.py reference FOLDER PROTOTXT PTS_IN_HULL.npy MODEL.caffemodel ...
    ANY/bin/python tests/trials/exactness.py check FOLDER MODEL.caffemodel ...

`reference` needs OpenCV 4: it runs the Caffe route and the original's steps on twenty photographs at 224x224 (ab
brought back bicubically and rounded, as ours is) and keeps ab and pictures in FOLDER. `check` runs our graphs on the
same photographs with the OpenCV of its Python: largest difference in ab, and the share of pixels of the finished
picture that differ by more than one level in any channel. Pixels of which the original has a channel at the end of its
range are left out: it clips colours outside sRGB, where ours become greyer.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import cv2
import numpy as np

from colorwatch import caffemodel, published
from colorwatch.colour.colorize import colorize, probe
from colorwatch.colour.net import load
from colorwatch.protocol import RenderRequest, WorkerSetup
from colorwatch.scan import Facts
from house import Picture, photographs

Predict = Callable[[Any], Any]


def squares() -> list[Picture]:
    found = [cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA) for picture in photographs(20)]
    return [np.asarray(square, np.uint8) for square in found]


def caffe_route(prototxt: str, points: str, model: str) -> Predict:
    net = cv2.dnn.readNetFromCaffe(prototxt, model)
    bins = np.load(points).transpose().reshape(2, 313, 1, 1).astype(np.float32)
    net.getLayer(net.getLayerId("class8_ab")).blobs = [bins]
    net.getLayer(net.getLayerId("conv8_313_rh")).blobs = [np.full([1, 313], 2.606, np.float32)]

    def predict(lightness: Any) -> Any:
        net.setInput(cv2.dnn.blobFromImage(lightness - 50))
        return np.ascontiguousarray(net.forward()[0].transpose(1, 2, 0))

    return predict


def original(square: Picture, predict: Predict) -> tuple[Any, Any]:
    lab = cv2.cvtColor(cv2.cvtColor(square, cv2.COLOR_GRAY2BGR).astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
    ab = predict(lab[..., 0])
    large = cv2.resize(ab, (224, 224), interpolation=cv2.INTER_CUBIC)
    bgr = cv2.cvtColor(np.concatenate((lab[..., :1], large), axis=2), cv2.COLOR_Lab2BGR)
    return ab, np.rint(255 * np.clip(bgr, 0, 1)).astype(np.uint8)


def reference(folder: str, prototxt: str, points: str, models: list[str]) -> None:
    os.makedirs(folder, exist_ok=True)
    for model in models:
        predict = caffe_route(prototxt, points, model)
        pairs = [original(square, predict) for square in squares()]
        kept = {"ab": np.stack([pair[0] for pair in pairs]), "bgr": np.stack([pair[1] for pair in pairs])}
        np.savez(os.path.join(folder, os.path.basename(model) + ".npz"), **kept)
        print(f"OpenCV {cv2.__version__}, Caffe route, {os.path.basename(model)}: kept", flush=True)


def check(folder: str, models: list[str]) -> bool:
    good = True
    for model in models:
        kept = np.load(os.path.join(folder, os.path.basename(model) + ".npz"))
        weights = published.check(caffemodel.read(model), shown=model)
        graphs = {"plain": published.plain_graph(weights), "fast": published.fast_graph(weights, cv2.__version__)}
        for name, parts in graphs.items():
            with tempfile.TemporaryDirectory() as root:
                path = os.path.join(root, "net.onnx")
                with open(path, "wb") as file:
                    file.writelines(parts)
                predict = load(WorkerSetup(0, path))
                far, share = compare(root, predict, kept)
            good &= far <= 0.01 and share <= 0.001
            which = f"OpenCV {cv2.__version__}, {name} graph, {os.path.basename(model)}"
            print(f"{which}: max |dab| {far:.5f}, pixels off by more than a level {share:.5%}", flush=True)
    return good


def compare(root: str, predict: Predict, kept: Any) -> tuple[float, float]:
    far, off = 0.0, []
    for number, square in enumerate(squares()):
        lab = cv2.cvtColor(cv2.cvtColor(square, cv2.COLOR_GRAY2BGR).astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
        far = max(far, float(np.abs(predict(lab[..., 0]) - kept["ab"][number]).max()))
        name = f"{number}.png"
        cv2.imwrite(os.path.join(root, name), square)
        facts = probe(root, name, 0)
        assert isinstance(facts, Facts)
        result = os.path.join(root, f"result-{name}")
        colorize(RenderRequest(0, root, name, facts.fingerprint, result), predict)
        ours = cv2.imread(result)
        assert ours is not None
        wanted = kept["bgr"][number]
        clipped = ((wanted == 0) | (wanted == 255)).any(axis=2)
        off.append((np.abs(ours.astype(np.int16) - wanted).max(axis=2) > 1)[~clipped].mean())
    return far, float(np.mean(off))


if __name__ == "__main__":
    if sys.argv[1] == "reference":
        reference(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
    else:
        sys.exit(0 if check(sys.argv[2], sys.argv[3:]) else 1)
