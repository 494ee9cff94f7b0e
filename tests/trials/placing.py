"""Colour where it belongs: in margins none, and several prints on one glass coloured as if each was scanned alone.

    python tests/trials/placing.py FOLDER_OF_PHOTOGRAPHS [--photographs 60] [--model models/compact.onnx]

Prints the mean chroma of a finished picture in what is around a print, for each kind of surrounding; and how far ab of
four prints on a glass lies from ab of the four scanned alone, over all their pixels.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import cv2
import judged
import numpy as np
from glass import GLASSES, SURROUNDINGS, glass, surrounded

from colorwatch.colour.colorize import colorize
from colorwatch.colour.net import load
from colorwatch.protocol import RenderRequest, WorkerSetup
from colorwatch.scan import Fingerprint, RenderSettings

ANYWAY = RenderSettings(colored="recolor", text="color")


class House:
    """A folder, and a net that colours what is put there."""

    def __init__(self, folder: str, model: str) -> None:
        self._folder, self._predict = folder, load(WorkerSetup(0, model))

    def ab_of(self, picture):
        """ab (height, width, 2) of the result of an RGB picture, as PNG, and how many prints were found."""
        scan, spool = (os.path.join(self._folder, name) for name in ("scan.png", "spool"))
        cv2.imwrite(scan, picture[..., ::-1])
        request = RenderRequest(0, self._folder, "scan.png", Fingerprint.of(os.stat(scan)), spool, 0, ANYWAY)
        result = colorize(request, self._predict)
        made = cv2.imread(spool)[..., ::-1]
        os.unlink(spool)
        return judged.lab_of(made)[..., 1:], int(result.verdicts[0].figures.get("prints", 0))


def margins(house, photographs, rng) -> None:
    print("| around the print | pages | found | mean chroma there | worst page | the same where found |")
    print("|---|--:|--:|--:|--:|--:|")
    for kind in SURROUNDINGS:
        means, of_found = [], []
        for picture in photographs:
            page, outside = surrounded(picture, rng, kind)
            ab, prints = house.ab_of(page)
            means.append(float(np.hypot(ab[..., 0], ab[..., 1])[outside].mean()))
            of_found += [means[-1]] if prints else []
        worst, found = max(means), len(of_found) / len(means)
        print(f"| {kind} | {len(means)} | {found:.0%} | {np.mean(means):.2f} | {worst:.2f} | {np.mean(of_found):.2f} |")


def four(house, photographs, rng) -> None:
    print("\n| glass | turned by up to | glasses | four found | mean of dab | where found | worst glass there |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, level in GLASSES.items():
        everything, of_found, count = [], [], 0
        for first in range(0, len(photographs) - 3, 4):
            prints = photographs[first : first + 4]
            page, places = glass(prints, rng, level)
            together, found = house.ab_of(page)
            far = []
            for (top, left, height, width), one in zip(places, prints, strict=True):
                alone, _ = house.ab_of(np.dstack([one] * 3))
                there = together[top : top + height, left : left + width]
                far.append(np.hypot(*np.moveaxis(there - alone, 2, 0)).mean())
            everything.append(float(np.mean(far)))
            of_found += [everything[-1]] if found == 4 else []
            count += found == 4
        where = f"{np.mean(of_found):.2f} | {max(of_found):.2f}" if of_found else "- | -"
        print(f"| {name} | 0 | {len(everything)} | {count} | {np.mean(everything):.2f} | {where} |")


if __name__ == "__main__":
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("folder")
    reader.add_argument("--photographs", type=int, default=60)
    reader.add_argument("--model", default="models/compact.onnx")
    chosen = reader.parse_args()
    # As large as prints are on a scan of few dots an inch: the net sees them smaller than they are.
    greys = [
        cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        for _, picture in judged.photographs(chosen.folder, chosen.photographs, seed=6)
    ]
    with tempfile.TemporaryDirectory() as folder:
        house, rng = House(folder, chosen.model), np.random.default_rng(5)
        margins(house, greys, rng)
        four(house, greys, rng)
