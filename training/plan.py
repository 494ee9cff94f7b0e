"""How long, how large and how fast the net learns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from training.batches import Shares
from training.loss import Weights


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a training depends on besides the photographs; written at the head of its log.

    `sides` are (share of the steps, side of the pictures in pixels, pictures in a batch), in order. `encoder_rate` is
    how fast the way down learns, beside the rest.
    """

    seed: int
    steps: int
    sides: tuple[tuple[float, int, int], ...]
    rate: float
    warm_up: int
    decay: float
    averaging: float
    encoder_rate: float = 1.0
    shares: Shares = field(default_factory=Shares)
    weights: Weights = field(default_factory=Weights)

    def batch(self, step: int) -> tuple[int, int]:
        """Pictures in the batch of `step`, and their side."""
        done = 0.0
        for share, side, size in self.sides:
            done += share
            if step < round(done * self.steps):
                return size, side
        _, side, size = self.sides[-1]
        return size, side

    def batches(self, start: int) -> Iterator[tuple[int, int]]:
        """Those of the steps from `start` on."""
        for step in range(start, self.steps):
            yield self.batch(step)

    def shown(self, step: int) -> int:
        """Pictures shown before `step`."""
        return sum(self.batch(past)[0] for past in range(step))

    def learning_rate(self, step: int) -> float:
        """A straight way up, then half a cosine down to a hundredth."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        past = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * past)) / 2)


def continued(seed: int, steps: int | None) -> Plan:
    """From the weights of an exported net: close to the size of use from the first step."""
    return Plan(
        seed, steps or 2000, ((0.5, 192, 32), (0.5, 224, 32)), rate=5e-4, warm_up=100, decay=0.02, averaging=0.998
    )


def from_scratch(seed: int, steps: int | None, classifier: bool = False) -> Plan:
    """From nothing, or from a classifier's weights for the way down: small and fast first.

    A net is best at the size at which its training ended.
    """
    if classifier:
        grown = ((0.35, 128, 32), (0.3, 160, 32), (0.35, 224, 32))
        return Plan(seed, steps or 2800, grown, rate=2e-3, warm_up=200, decay=0.02, averaging=0.998, encoder_rate=0.3)
    sides = ((0.3, 96, 48), (0.25, 128, 48), (0.25, 192, 32), (0.2, 224, 32))
    return Plan(seed, steps or 20000, sides, rate=2e-3, warm_up=500, decay=0.02, averaging=0.999)
