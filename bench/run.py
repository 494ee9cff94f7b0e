"""All benches, one after the other: a table on the terminal, and everything measured in bench/results.json.

    python bench/run.py [--model FILE.caffemodel] [--opencv4 PYTHON] [--rivals PYTHON] [--only net,pipeline,...]

Figures are ratios from interleaved runs on this machine, with their spread; seconds are told beside them. Without a
caffemodel a synthetic one of the published size is made, where COLORWATCH_TESTDATA has the program for it; the net's
bench is left out, and said to be, where neither is there. Let nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MEGAPIXELS = (2, 12, 35)


def commands(arguments: argparse.Namespace, folder: str) -> dict[str, list[str]]:
    """Name -> program and arguments, without `--out` behind. Without a Python before it, it is run by this one."""
    found = {}
    model = arguments.model or synthetic_model(folder)
    if model:
        pythons = {"--opencv5": sys.executable, "--opencv4": arguments.opencv4, "--others": arguments.rivals}
        known = [part for option, python in pythons.items() if python for part in (option, python)]
        testdata = os.environ.get("COLORWATCH_TESTDATA", "")
        prototxt = os.path.join(testdata, "zhang2016", "colorization_deploy_v2.prototxt")
        caffe = ["--prototxt", prototxt] if os.path.exists(prototxt) else []
        found["net"] = ["net.py", model, *known, *caffe]
        found["tree, published net, small"] = ["tree.py", "--model", model, "--net-memory", "small"]
        found["pool, published net"] = ["pool.py", "--model", model]
        if arguments.opencv4:
            found["pool, published net, OpenCV 4"] = [arguments.opencv4, "pool.py", "--model", model]
        found["daemon, published net"] = ["daemon.py", "--model", model, "--count", "24"]
    else:
        print("net: left out, for there is no caffemodel and no COLORWATCH_TESTDATA to make one")
    found["workers"] = ["workers.py"]
    found["pool"] = ["pool.py"]
    for megapixels in MEGAPIXELS:
        found[f"pipeline, {megapixels} megapixels"] = ["pipeline.py", "--megapixels", str(megapixels)]
    found["daemon"] = ["daemon.py"]
    found["tree"] = ["tree.py"]
    chosen = arguments.only.split(",") if arguments.only else None
    return {name: command for name, command in found.items() if not chosen or name.split(",")[0] in chosen}


def synthetic_model(folder: str) -> str | None:
    program = os.path.join(os.environ.get("COLORWATCH_TESTDATA", ""), "tools", "make_caffemodel.py")
    if not os.path.exists(program):
        return None
    path = os.path.join(folder, "synthetic.caffemodel")
    subprocess.run([sys.executable, program, path], check=True)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a caffemodel of the published net")
    parser.add_argument("--opencv4", help="a Python with OpenCV 4")
    parser.add_argument("--rivals", help="a Python with onnxruntime and openvino")
    parser.add_argument("--only", help="names of benches, with commas between")
    parser.add_argument("--out", default=os.path.join(HERE, "results.json"))
    arguments = parser.parse_args()
    results: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "day": time.strftime("%F"),
    }
    failed = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name, given in commands(arguments, folder).items():
            print(f"== {name}", flush=True)
            out = os.path.join(folder, "out.json")
            python, program, *options = [sys.executable, *given] if given[0].endswith(".py") else given
            command = [python, os.path.join(HERE, program), *options, "--out", out]
            if subprocess.run(command, check=False).returncode or not os.path.exists(out):
                failed.append(name)
                continue
            with open(out, encoding="utf-8") as file:
                results[name] = json.load(file)
            os.unlink(out)
    with open(arguments.out, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    print(f"written: {arguments.out}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
