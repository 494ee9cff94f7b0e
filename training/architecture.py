"""The embedded net: a U of 5.3 million weights that is small enough for a slow machine.

Five steps down (24, 40, 80, 144, 224 channels, each halving the picture, with 0, 1, 2, 3, 3 residual blocks), the mean
of the whole picture added at the bottom, three steps up (128, 96, 64) to a quarter of the input, and 313 logits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.bins import BINS

WIDTHS = (24, 40, 80, 144, 224)
BLOCKS = (0, 1, 2, 3, 3)
UP = (128, 96, 64)


class Conv(nn.Module):
    """A 3x3 convolution, batch normalisation, and ReLU unless `bare`."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bare: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.bare = bare

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return x if self.bare else functional.relu(x, inplace=True)


class Block(nn.Module):
    """Two convolutions beside a way past them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = Conv(width, width)
        self.b = Conv(width, width, bare=True)
        # A block begins as nothing but the way past: deep nets learn faster so from nothing.
        nn.init.zeros_(self.b.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.b(self.a(x)))


class Net(nn.Module):
    """`L - 50` (n, 1, s, s), s a multiple of 32, to the features (n, 64, s / 4, s / 4) or logits of 313 bins."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        inputs = 1
        for width, blocks in zip(WIDTHS, BLOCKS, strict=True):
            self.down.append(nn.Sequential(Conv(inputs, width, 2), *(Block(width) for _ in range(blocks))))
            inputs = width
        self.context = nn.Conv2d(inputs, inputs, 1)
        self.up = nn.ModuleList()
        for width, beside in zip(UP, WIDTHS[3:0:-1], strict=True):
            self.up.append(Conv(inputs + beside, width))
            inputs = width
        self.last = Conv(inputs, inputs)
        self.head = nn.Conv2d(inputs, len(BINS), 1)
        nn.init.zeros_(self.head.bias)

    def features(self, x: Tensor) -> Tensor:
        """What the head sees."""
        beside = []
        for step in self.down:
            x = step(x)
            beside.append(x)
        x = x + functional.relu(self.context(x.mean((2, 3), keepdim=True)))
        for step, other in zip(self.up, beside[3:0:-1], strict=True):
            x = step(torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), other], 1))
        return self.last(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def convolutions(net: Net) -> list[Conv]:
    """All 3x3 convolutions, in the order in which they run."""
    return [module for module in net.modules() if isinstance(module, Conv)]


def decode(logits: Tensor, temperature: float, bias: Tensor | None = None) -> Tensor:
    """ab (n, 2, h, w): the mean of the bins' centres after a softmax at `temperature` (the annealed mean, section 2.3).

    `bias` (313,) is added to the logits first.
    """
    if bias is not None:
        logits = logits + bias[:, None, None]
    centres = torch.from_numpy(BINS).to(logits.device)
    return torch.einsum("nkhw,kc->nchw", functional.softmax(logits.float() / temperature, 1), centres)
