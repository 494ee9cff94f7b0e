"""Sixty pairs to judge without knowing which is which: the shipped net against the starter, and against sepia.

    python tests/trials/pairs.py make FOLDER [--seed N]
    python tests/trials/pairs.py open FOLDER

`make` writes sheets of ten numbered pairs and a key. Look at the sheets; write the preferred side of each pair, `l`,
`r` or `=`, into FOLDER/judged.txt, in order (spaces and line ends do not count); then `open` counts. Half of the pairs
are against the starter, half against a toned grey picture. One in four shows a real old print, the others photographs
that no training has seen; none is shown twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter

import cv2
import numpy as np

from colorwatch.colour.net import INPUT_SIDE, Net

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAIRS, OLD = 60, 15
WIDTH, HEIGHT = 400, 330
SEPIA = (-0.5, 16.0)
"""ab of the middle tones of a sepia print."""


def lightness_of(path: str) -> np.ndarray:
    grey = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    assert grey is not None, path
    scale = min(WIDTH / grey.shape[1], HEIGHT / grey.shape[0])
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    bgr = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR).astype(np.float32) / 255
    return np.ascontiguousarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2Lab)[..., 0])


def finished(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    bgr = cv2.cvtColor(np.dstack([lightness, ab.astype(np.float32)]), cv2.COLOR_Lab2BGR)
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    picture[: bgr.shape[0], : bgr.shape[1]] = np.clip(np.rint(bgr * 255), 0, 255)
    return picture


def coloured(net: Net, lightness: np.ndarray) -> np.ndarray:
    ab = net.predict_ab(cv2.resize(lightness, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_AREA))
    return finished(lightness, cv2.resize(ab, lightness.shape[::-1], interpolation=cv2.INTER_CUBIC))


def toned(lightness: np.ndarray) -> np.ndarray:
    strength = np.clip(1 - ((lightness - 50) / 50) ** 2, 0, 1)
    return finished(lightness, np.dstack([strength * SEPIA[0], strength * SEPIA[1]]))


def make(folder: str, seed: int) -> None:
    data = os.environ["COLORWATCH_TESTDATA"]
    rng = random.Random(seed)
    seen = sorted(os.path.join(data, "photos", "eval", n) for n in os.listdir(os.path.join(data, "photos", "eval")))
    old = sorted(os.path.join(data, "photos", "oldbw", n) for n in os.listdir(os.path.join(data, "photos", "oldbw")))
    pictures = (".jpg", ".jpeg", ".png")
    chosen = rng.sample([p for p in seen if p.endswith(pictures)], PAIRS - OLD)
    chosen += rng.sample([p for p in old if p.lower().endswith(pictures)], OLD)
    rivals = [("starter", "sepia")[number % 2] for number in range(PAIRS)]
    rng.shuffle(chosen)
    rng.shuffle(rivals)
    shipped = Net.load(os.path.join(ROOT, "models", "compact.onnx"))
    starter = Net.load(os.path.join(data, "models", "starter.onnx"))
    os.makedirs(folder, exist_ok=True)
    key, rows = [], []
    for number, (path, rival) in enumerate(zip(chosen, rivals, strict=True), 1):
        light = lightness_of(path)
        ours, theirs = coloured(shipped, light), coloured(starter, light) if rival == "starter" else toned(light)
        left = rng.random() < 0.5
        key.append({"picture": os.path.basename(path), "against": rival, "shipped": "l" if left else "r"})
        margin = np.full((HEIGHT, 60, 3), 255, np.uint8)
        cv2.putText(margin, str(number), (4, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
        gap = np.full((HEIGHT, 12, 3), 255, np.uint8)
        rows.append(np.hstack([margin, ours, gap, theirs] if left else [margin, theirs, gap, ours]))
    for page in range(0, PAIRS, 10):
        half = [np.vstack(rows[start : start + 5]) for start in (page, page + 5)]
        cv2.imwrite(os.path.join(folder, f"pairs-{page + 1:02}.jpg"), np.hstack(half))
    with open(os.path.join(folder, "key.json"), "w", encoding="utf-8") as file:
        json.dump(key, file, indent=1)


def open_key(folder: str) -> None:
    with open(os.path.join(folder, "judged.txt"), encoding="utf-8") as file:
        judged = [mark for mark in file.read() if not mark.isspace()]
    with open(os.path.join(folder, "key.json"), encoding="utf-8") as file:
        key = json.load(file)
    if len(judged) != len(key) or set(judged) - set("lr="):
        sys.exit(f"pairs: judged.txt needs {len(key)} marks, each l, r or =; it has {len(judged)}")
    counts: Counter[tuple[str, str]] = Counter()
    for number, (mark, pair) in enumerate(zip(judged, key, strict=True), 1):
        verdict = "even" if mark == "=" else "shipped" if mark == pair["shipped"] else pair["against"]
        counts[pair["against"], verdict] += 1
        if verdict == pair["against"]:
            print(f"{number}: {pair['picture']}: {verdict} preferred")
    for (against, verdict), count in sorted(counts.items()):
        print(f"against {against}: {verdict} {count}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "open"))
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    if told.what == "make":
        make(told.folder, told.seed)
    else:
        open_key(told.folder)


if __name__ == "__main__":
    main()
