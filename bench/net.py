"""Seconds of one forward pass of the published net: ours on OpenCV 4 and 5, the Caffe route, ONNX Runtime, OpenVINO.

    python bench/net.py MODEL.caffemodel --prototxt DEPLOY.prototxt --opencv4 PYTHON --opencv5 PYTHON --others PYTHON

Each engine lives in a child process of its own, under the interpreter that has it: numpy and the engine are all it
needs, and for `--opencv4` and `--opencv5` nothing else. The children take turns, one forward pass each a round, so that
whatever else the machine does meets all of them; and they are started anew for each session, as on a virtual machine
two threads may have a cache in common or not, as chance has it. What is absent is left out, and said. JSON goes to
`--out` or stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import IO, Any

import numpy as np

from colorwatch import caffemodel, published

HERE = os.path.abspath(__file__)
SIZE = 224
REST = 0.2  # seconds between turns: the threads of some engines spin for a while, and would slow whoever comes next
Forward = Callable[[Any], Any]


# --- in the child -----------------------------------------------------------------------------------------


def load_caffe(files: dict[str, str], threads: int) -> Forward:
    """The original script's way, OpenCV 4 only."""
    import cv2

    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromCaffe(files["prototxt"], files["caffemodel"])
    bins = np.load(files["bins"])
    net.getLayer(net.getLayerId("class8_ab")).blobs = [bins.T.reshape(2, -1, 1, 1).astype(np.float32)]
    net.getLayer(net.getLayerId("conv8_313_rh")).blobs = [np.full([1, len(bins)], 2.606, np.float32)]
    return _opencv_forward(net)


def load_opencv(files: dict[str, str], threads: int) -> Forward:
    """The fast graph, on the engine that it is for."""
    import cv2

    cv2.setNumThreads(threads)
    # OpenCV 5.0 heeds the engine for a path only, not for bytes; 5.x calls it NEW, later OPENCV.
    engine = getattr(cv2.dnn, "ENGINE_NEW", getattr(cv2.dnn, "ENGINE_OPENCV", None))
    return _opencv_forward(cv2.dnn.readNetFromONNX(files["onnx"], *([] if engine is None else [engine])))


def _opencv_forward(net: Any) -> Forward:
    def forward(x: Any) -> Any:
        net.setInput(x)
        return net.forward()

    return forward


def load_onnxruntime(files: dict[str, str], threads: int) -> Forward:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(files["onnx"], options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"data_l": x})[0]


def load_openvino(files: dict[str, str], threads: int) -> Forward:
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # else it may choose bfloat16
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(files["onnx"], "CPU", settings)
    return lambda x: compiled([x])[0]


LOADERS = {
    "caffe": load_caffe,
    "opencv": load_opencv,
    "onnxruntime": load_onnxruntime,
    "openvino": load_openvino,
}


def child(loader: str, files: dict[str, str], threads: int) -> None:
    """Load, warm up, say what ab came out and the peak memory; then one forward pass, timed, for each line read."""
    x = np.random.default_rng(0).uniform(-50, 50, (1, 1, SIZE, SIZE)).astype(np.float32)
    forward = LOADERS[loader](files, threads)
    for _ in range(3):
        ab = forward(x)
    np.save(files["ab"], ab)
    print(json.dumps({"peak_bytes": _peak_bytes()}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        forward(x)
        print(json.dumps(time.perf_counter() - began), flush=True)


def _peak_bytes() -> int:
    """Of this process alone: `ru_maxrss` would count the parent's memory at the fork."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


# --- in the parent ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contestant:
    """One engine: the interpreter that has it, and the files that it reads."""

    name: str
    python: str
    loader: str
    files: dict[str, str]


class Runner:
    """A contestant's child process, warmed up."""

    def __init__(self, contestant: Contestant, threads: int) -> None:
        self.name = contestant.name
        self.files = contestant.files
        command = [contestant.python, HERE, "--child", contestant.loader, json.dumps(contestant.files), str(threads)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.path.dirname(os.path.dirname(HERE))}
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, bufsize=1
        )
        self.facts = self._answer()
        self.seconds: list[float] = []

    def turn(self) -> None:
        _pipe(self._child.stdin).write("\n")
        self.seconds.append(self._answer())

    def close(self) -> None:
        _pipe(self._child.stdin).close()
        self._child.wait()

    def _answer(self) -> Any:
        line = _pipe(self._child.stdout).readline()
        if not line:
            raise SystemExit(f"{self.name} ended with status {self._child.wait()}")
        return json.loads(line)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def measure(contestants: list[Contestant], threads: int, rounds: int, sessions: int) -> dict[str, Any]:
    """Medians, spreads, and the ratio of each contestant's seconds to ours, round by round."""
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    facts: dict[str, Any] = {}
    for _ in range(sessions):
        runners = [Runner(contestant, threads) for contestant in contestants]
        for _ in range(rounds):
            for runner in runners:
                time.sleep(REST)
                runner.turn()
        for runner in runners:
            runner.close()
            seconds[runner.name] += runner.seconds
            facts[runner.name] = runner.facts
    first = np.load(contestants[0].files["ab"])
    results: dict[str, Any] = {}
    for contestant in contestants:
        difference = float(np.abs(np.load(contestant.files["ab"]) - first).max())
        own = seconds[contestant.name]
        medians = [round(median(own[start : start + rounds]), 4) for start in range(0, len(own), rounds)]
        results[contestant.name] = {
            **facts[contestant.name],
            **spread(own),
            "session_medians": medians,
            "ab_differs_by": difference,
        }
    for ours in [name for name in seconds if name.startswith("ours")]:
        for other in [name for name in seconds if not name.startswith("ours")]:
            ratios = [theirs / own for theirs, own in zip(seconds[other], seconds[ours], strict=True)]
            results[ours][f"faster_than_{other}"] = spread(ratios)
    return results


def spread(values: list[float]) -> dict[str, float]:
    low, high = np.percentile(values, [10, 90])
    return {"median": round(median(values), 4), "p10": round(float(low), 4), "p90": round(float(high), 4)}


def contestants(options: argparse.Namespace, folder: str) -> list[Contestant]:
    """Those whose interpreter is given; the graphs are drawn into `folder`."""
    weights = published.check(caffemodel.read(options.model), shown=options.model)

    def drawn(name: str, graph: Callable[[published.Weights], list[bytes]]) -> str:
        path = os.path.join(folder, name + ".onnx")
        with open(path, "wb") as file:
            file.writelines(graph(weights))
        return path

    bins = os.path.join(folder, "bins.npy")
    np.save(bins, published.bins())
    found = []
    if options.opencv4 and options.prototxt:
        files = {"prototxt": options.prototxt, "caffemodel": options.model, "bins": bins}
        found.append(Contestant("caffe", options.opencv4, "caffe", files))
    if options.others:
        plain = drawn("plain", published.plain_graph)
        found += [Contestant(name, options.others, name, {"onnx": plain}) for name in ("onnxruntime", "openvino")]
    if options.opencv4:
        files = {"onnx": drawn("canvas", published.canvas_graph)}
        found.append(Contestant("ours_opencv4", options.opencv4, "opencv", files))
    if options.opencv5:
        files = {"onnx": drawn("matrix", published.matrix_graph)}
        found.append(Contestant("ours_opencv5", options.opencv5, "opencv", files))
    for contestant in found:
        contestant.files["ab"] = os.path.join(folder, contestant.name + ".npy")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a caffemodel of the published net")
    parser.add_argument("--prototxt", help="its prototxt, for the Caffe route")
    parser.add_argument("--opencv4", help="a Python with OpenCV 4")
    parser.add_argument("--opencv5", help="a Python with OpenCV 5")
    parser.add_argument("--others", help="a Python with onnxruntime and openvino")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9, help="of each session")
    parser.add_argument("--sessions", type=int, default=3, help="each with new processes")
    parser.add_argument("--out", help="write the JSON here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        field = contestants(options, folder)
        if not field:
            parser.error("name at least one interpreter: --opencv4, --opencv5 or --others")
        results = {
            f"threads_{threads}": measure(field, threads, options.rounds, options.sessions)
            for threads in options.threads
        }
    text = json.dumps(results, indent=2)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
