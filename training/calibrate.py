"""Choose how the net decodes, on photographs held out of training: python -m training.calibrate --run DIR --album DIR

Prints a line for each temperature, lean towards rare colours and factor of chroma, and marks the choice: the best
rebalanced AuC whose plain AuC is at most --give below that of leaving all grey, with a colourfulness of at most
--colourful. A mean of what is likely is paler than any of it; hence the factor.
"""

from __future__ import annotations

import argparse
import os

import cv2
import numpy as np
import torch
from torch import Tensor

from training.architecture import Net, decode
from training.export import averaged, rarer
from training.photographs import Album, Photograph
from training.score import Score, input_of, score
from training.train import HELD_OUT

TEMPERATURES = (0.8, 1.0, 1.25, 1.5)
LEANS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7)
CHROMAS = (1.0, 1.1, 1.2)


def logits_of(net: Net, album: Album, photographs: list[Photograph]) -> Tensor:
    """The logits (n, 313, 56, 56), as float16, of photographs shown as in use."""
    parts = []
    with torch.no_grad():
        for at in range(0, len(photographs), 8):
            lights = np.stack([input_of(album.lab(one)) for one in photographs[at : at + 8]])
            parts.append(net(torch.from_numpy(lights)).half())
    return torch.cat(parts)


How = tuple[float, float, float]
"""Temperature, lean and chroma."""


def choose(scores: dict[How, Score], least: float, colourful: float) -> How:
    """That of `scores` with the best rebalanced AuC, a plain one of at least `least`, and a colourfulness of at most
    `colourful`; (1, 0, 1) where none is so."""
    allowed = {how: one for how, one in scores.items() if one.auc >= least and one.colourful <= colourful}
    return max(allowed, key=lambda how: allowed[how].auc_rebal, default=(1.0, 0.0, 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, metavar="DIR", help="the --out of training.train")
    parser.add_argument("--album", metavar="DIR", help="as given to training.train (default: in --run)")
    parser.add_argument("--give", type=float, default=0.0)
    parser.add_argument("--colourful", type=float, default=1.1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    cv2.setNumThreads(1)
    album = Album(told.album or os.path.join(told.run, "album"))
    _, held_out = album.split(min(HELD_OUT, len(album.photographs) // 10))
    net, prior = averaged(told.run)
    logits = logits_of(net, album, held_out)
    labs = [album.lab(one) for one in held_out]
    grey = score((lab, np.zeros((56, 56, 2), np.float32)) for lab in labs)
    scores: dict[How, Score] = {}
    for lean in LEANS:
        bias = torch.from_numpy(rarer(prior, lean))
        for temperature in TEMPERATURES:
            decoded = [decode(part.float()[None], temperature, bias)[0].permute(1, 2, 0).numpy() for part in logits]
            for chroma in CHROMAS:
                ab = (np.ascontiguousarray(one * np.float32(chroma)) for one in decoded)
                found = scores[temperature, lean, chroma] = score(zip(labs, ab, strict=True))
                print(f"temperature {temperature} rare {lean} chroma {chroma}", found.as_dict(), flush=True)
    temperature, lean, chroma = choose(scores, grey.auc - told.give, told.colourful)
    print(f"grey {grey.as_dict()}")
    print(f"chosen: --temperature {temperature} --rare {lean} --chroma {chroma}")


if __name__ == "__main__":
    main()
