"""How good the colours are: `make quality`, or python bench/quality.py [NAME=NET.onnx ...] [--out DIR] [--upsampling]

Scores photographs in colour, given back their colours from their lightness alone: left grey, by the starter, by the net
that is shipped, and by further nets of the same contract. The photographs are those of COLORWATCH_TESTDATA, which no
training of the project has seen. Each is scaled to a short side of 256, as the measures are of a size.

    auc        area under the share of pixels whose error in ab is below t, t from 0 to 150, in percent
               (Zhang et al. 2016, section 3.1)
    rare       the same, each of the 313 bins of ab that occurs weighing the same: "rebalanced"
    psnr       mean over the photographs of the PSNR of the finished RGB, in dB
    colourful  mean over them of the colourfulness (Hasler and Suesstrunk 2003), the result's over the original's
    ms         median of one pass, one thread

With --out, sheets of pictures: each photograph, grey, and coloured by every net. With --upsampling, also how ab is best
brought from 56 x 56 to the picture: bilinear, bicubic (as in use), and two ways that follow the edges of the lightness.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import cv2
import numpy as np

from colorwatch.colour.net import INPUT_SIDE, Net
from training.bins import BINS, nearest, row_of
from training.score import FARTHEST, area, colourfulness

Array = Any
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHORT_SIDE = 256
ROWS_A_SHEET, TILE = 10, 220
SHIPPED = os.path.join(ROOT, "models", "compact.onnx")


@dataclass
class Measures:
    """Sums over photographs."""

    errors: Array = field(default_factory=lambda: np.zeros((len(BINS), FARTHEST + 1)))
    psnr: list[float] = field(default_factory=list)
    colourful: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, photograph: Photograph, ab: Array) -> Array:
        """Takes note of a result; returns it as BGR."""
        error = np.linalg.norm(ab - photograph.ab, axis=2).ravel().astype(np.int64)
        np.add.at(self.errors, (photograph.bins, np.minimum(error, FARTHEST)), 1)
        made = bgr_of(photograph.lightness, ab)
        difference = made.astype(np.float32) - photograph.bgr
        self.psnr.append(10 * np.log10(255**2 / max(1e-9, float(np.mean(difference**2)))))
        self.colourful.append(colourful(made) / max(1e-6, colourful(photograph.bgr)))
        return made

    def line(self) -> str:
        occurring = self.errors[self.errors.any(1)]
        rare = float(np.mean([area(row) for row in occurring]))
        pass_ms = 1000 * float(np.median(self.seconds)) if self.seconds else 0.0
        figures = f"auc {area(self.errors.sum(0)):.2f}  rare {rare:.2f}  psnr {np.mean(self.psnr):.2f}"
        return f"{figures}  colourful {np.mean(self.colourful):.3f}  ms {pass_ms:.1f}"


@dataclass
class Photograph:
    name: str
    bgr: Array
    lightness: Array  # (height, width), 0..100
    ab: Array
    bins: Array  # the nearest of each pixel


def colourful(bgr: Array) -> float:
    return colourfulness(bgr[..., ::-1].astype(np.float32))


def bgr_of(lightness: Array, ab: Array) -> Array:
    bgr = cv2.cvtColor(np.dstack([lightness, ab.astype(np.float32)]), cv2.COLOR_Lab2BGR)
    return np.clip(np.rint(bgr * 255), 0, 255).astype(np.uint8)


def photographs(folder: str, most: int | None) -> Iterator[Photograph]:
    table = nearest()[0][:, 0]
    for name in sorted(name for name in os.listdir(folder) if name.endswith(".jpg"))[:most]:
        bgr = cv2.imread(os.path.join(folder, name), cv2.IMREAD_COLOR)
        assert bgr is not None, name
        scale = SHORT_SIDE / min(bgr.shape[:2])
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(bgr.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
        ab = np.ascontiguousarray(lab[..., 1:])
        yield Photograph(name, bgr, np.ascontiguousarray(lab[..., 0]), ab, table[row_of(ab)].ravel())


def small_ab(net: Net, lightness: Array, seconds: list[float]) -> Array:
    square = cv2.resize(lightness, (INPUT_SIDE, INPUT_SIDE), interpolation=cv2.INTER_AREA)
    began = time.perf_counter()
    ab = net.predict_ab(square)
    seconds.append(time.perf_counter() - began)
    return ab


# --- bringing ab to the picture -----------------------------------------------------------------------------------


def bicubic(ab: Array, lightness: Array) -> Array:
    return cv2.resize(ab, lightness.shape[::-1], interpolation=cv2.INTER_CUBIC)


def bilinear(ab: Array, lightness: Array) -> Array:
    return cv2.resize(ab, lightness.shape[::-1], interpolation=cv2.INTER_LINEAR)


def guided(radius: int, epsilon: float) -> Callable[[Array, Array], Array]:
    """The guided filter (He, Sun and Tang 2010), led by the lightness; `epsilon` for a lightness of 0..1."""

    def filtered(ab: Array, lightness: Array) -> Array:
        def mean(x: Array) -> Array:
            return cv2.blur(x, (2 * radius + 1, 2 * radius + 1))

        light, large = lightness / 100, bicubic(ab, lightness)
        spread = mean(light * light) - mean(light) ** 2
        channels = []
        for channel in (large[..., 0], large[..., 1]):
            slope = (mean(light * channel) - mean(light) * mean(channel)) / (spread + epsilon)
            channels.append(mean(slope) * light + mean(mean(channel) - slope * mean(light)))
        return np.dstack(channels)

    return filtered


def joint_bilateral(reach: int, tolerance: float) -> Callable[[Array, Array], Array]:
    """Joint bilateral upsampling (Kopf et al. 2007): the small ab around, by nearness and by likeness of lightness."""

    def filtered(ab: Array, lightness: Array) -> Array:
        height, width = lightness.shape
        side = ab.shape[0]
        known = cv2.resize(lightness, (side, side), interpolation=cv2.INTER_AREA)
        total, weights = np.zeros((height, width, 2), np.float32), np.zeros((height, width, 1), np.float32)
        rows = (np.arange(height, dtype=np.float32) + 0.5) * side / height - 0.5
        columns = (np.arange(width, dtype=np.float32) + 0.5) * side / width - 0.5
        for down in range(-reach, reach + 1):
            for across in range(-reach, reach + 1):
                y = np.clip(np.rint(rows).astype(int) + down, 0, side - 1)
                x = np.clip(np.rint(columns).astype(int) + across, 0, side - 1)
                apart = (rows - y)[:, None] ** 2 + (columns - x)[None, :] ** 2
                unlike = (lightness - known[np.ix_(y, x)]) / tolerance
                weight = np.exp(-apart / 2 - unlike * unlike / 2)[..., None].astype(np.float32) + np.float32(1e-6)
                total += weight * ab[np.ix_(y, x)]
                weights += weight
        return total / weights

    return filtered


UPSAMPLINGS: dict[str, Callable[[Array, Array], Array]] = {
    "bilinear": bilinear,
    "bicubic, as in use": bicubic,
    "guided filter, 3 pixels, 0.001": guided(3, 1e-3),
    "guided filter, 6 pixels, 0.001": guided(6, 1e-3),
    "guided filter, 6 pixels, 0.01": guided(6, 1e-2),
    "joint bilateral, 10": joint_bilateral(1, 10),
    "joint bilateral, 25": joint_bilateral(1, 25),
}


# --- sheets -------------------------------------------------------------------------------------------------------


def tile(bgr: Array) -> Array:
    scale = TILE / max(bgr.shape[:2])
    small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    square = np.full((TILE, TILE, 3), 255, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square


def write_sheets(rows: list[list[Array]], folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    for page, start in enumerate(range(0, len(rows), 2 * ROWS_A_SHEET)):
        chosen = [np.hstack(row) for row in rows[start : start + 2 * ROWS_A_SHEET]]
        chosen += [np.full_like(chosen[0], 255)] * (-len(chosen) % 2)
        half = len(chosen) // 2
        sheet = np.hstack([np.vstack(chosen[:half]), np.vstack(chosen[half:])])
        cv2.imwrite(os.path.join(folder, f"sheet-{page:02}.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NAME=NET", help="further nets")
    parser.add_argument("--photographs", metavar="DIR", help="default: photos/eval of COLORWATCH_TESTDATA")
    parser.add_argument("--most", type=int, metavar="N", help="the first N photographs alone")
    parser.add_argument("--out", metavar="DIR", help="sheets of pictures go there")
    parser.add_argument("--upsampling", action="store_true")
    told = parser.parse_args()
    data = os.environ.get("COLORWATCH_TESTDATA", "")
    folder = told.photographs or os.path.join(data, "photos", "eval")
    if not os.path.isdir(folder):
        sys.exit("quality: there are no photographs; set COLORWATCH_TESTDATA, or give --photographs")
    paths = {"starter": os.path.join(data, "models", "starter.onnx"), "shipped": SHIPPED}
    paths |= dict(one.partition("=")[::2] for one in told.nets)
    nets = {name: Net.load(path) for name, path in paths.items() if os.path.exists(path)}
    measures = {name: Measures() for name in ("grey", *nets)}
    ways = {name: Measures() for name in UPSAMPLINGS} if told.upsampling else {}
    rows = []
    for photograph in photographs(folder, told.most):
        nothing = np.zeros_like(photograph.ab)
        made = [photograph.bgr, measures["grey"].add(photograph, nothing)]
        for name, net in nets.items():
            ab = small_ab(net, photograph.lightness, measures[name].seconds)
            made.append(measures[name].add(photograph, bicubic(ab, photograph.lightness)))
            if name == "shipped":
                for way, upsampled in UPSAMPLINGS.items() if ways else ():
                    ways[way].add(photograph, upsampled(ab, photograph.lightness))
        if told.out:
            rows.append([tile(one) for one in made])
    for name, one in [*measures.items(), *ways.items()]:
        print(f"{name:32}{one.line()}")
    if told.out:
        write_sheets(rows, told.out)
        print(f"sheets in {told.out}: photograph, grey, {', '.join(nets)}")


if __name__ == "__main__":
    main()
