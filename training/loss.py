"""What the net is taught to make small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.architecture import Net
from training.bins import BINS, nearest, rebalance, row_of
from training.photographs import Album, Photograph


@dataclass(frozen=True, slots=True)
class Weights:
    """The parts of the loss.

    `uniform`: how flat the rebalancing of the cross-entropy leaves the prior (see `bins.rebalance`).
    `error`: how much the distance of the decoded ab from the true one counts beside the cross-entropy.
    `rare`: in that distance, how much a bin's mean counts beside a pixel's: what "rebalanced AuC" weighs.
    `rarest`: bins rarer than one in so many times 313 count no more than that.
    """

    uniform: float = 0.6
    error: float = 1.0
    rare: float = 1.0
    rarest: float = 40.0


def prior_of(album: Album, photographs: list[Photograph]) -> NDArray[np.float64]:
    """The share of each bin (313,) in the photographs, each photograph weighing the same."""
    table = nearest()[0][:, 0]
    prior = np.zeros(len(BINS))
    for one in photographs:
        ab = album.lab(one)[::4, ::4, 1:].astype(np.float32) - 128
        rows = table[row_of(ab)].ravel()
        prior += np.bincount(rows, minlength=len(BINS)) / len(rows)
    return np.asarray(prior / len(photographs), np.float64)


class Loss:
    """Cross-entropy against soft-encoded bins, weighted by how rare they are, and the distance of the decoded ab.

    Cross-entropy alone learns all colours that a thing may have; the distance draws their mean to where the measures
    look. One pixel in four is looked at, another one in each batch: neighbours tell little.
    """

    def __init__(self, prior: NDArray[np.float64], weights: Weights, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._error = weights.error
        near, shares = nearest()
        self._near = self._placed(near)
        self._shares = self._placed(shares)
        self._centres = self._placed(BINS)
        self._weight = self._placed(rebalance(prior, weights.uniform))
        rare = 1 / np.maximum(prior * len(prior), 1 / weights.rarest)
        self._distance_weight = self._placed((1 + weights.rare * rare).astype(np.float32))

    def _placed(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def __call__(self, net: Net, light: Tensor, ab: NDArray[np.float32], phase: int) -> tuple[Tensor, Tensor]:
        """Cross-entropy and weighted distance (over 25) of a batch; `phase` is 0..3, the pixel looked at of four."""
        down, across = divmod(phase, 2)
        rows = self._placed(row_of(ab[:, down::2, across::2])).reshape(-1)
        with torch.autocast(self._device.type, torch.bfloat16):
            features = net.features(light)[:, :, down::2, across::2]
            logits = net.head(features)
        logits = logits.permute(0, 2, 3, 1).reshape(-1, len(BINS)).float()
        likely = functional.log_softmax(logits, 1)
        bins = self._near[rows]
        crossed = -(likely.gather(1, bins) * self._shares[rows]).sum(1)
        crossed = (crossed * self._weight[bins[:, 0]]).mean()
        wanted = self._placed(ab[:, down::2, across::2].reshape(-1, 2))
        distance = torch.sqrt(((likely.exp() @ self._centres - wanted) ** 2).sum(1) + 1)
        return crossed, (distance * self._distance_weight[bins[:, 0]]).mean() / 25

    def total(self, crossed: Tensor, distance: Tensor) -> Tensor:
        """What is minimised."""
        return crossed + self._error * distance
