"""The embedded net: a small net that has learned to tell things apart, and three steps up to their colours.

Down to a thirty-second of the picture goes EfficientNet-Lite0, without its last layer: inverted residual blocks
(Sandler et al., "MobileNetV2", CVPR 2018; widths and depths of Tan and Le, "EfficientNet", ICML 2019, without squeeze
and excitation, with ReLU6). It may begin with the weights of a classifier (`encoder.py`): what a thing is decides which
colours it may have. The classifier's 1,280 features, averaged over the picture, tell what the whole shows; they are
added after the first of three steps up (224, 128 and 80 channels), each beside the features of its size. Then come 313
logits at a quarter of the input. 5.0 million weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.bins import BINS


class Stage(NamedTuple):
    """`blocks` blocks of `width` channels; the first has `stride`, each makes `expansion` times as many inside."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


STEM = 32
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
SUMMARY = 1280
UP = (224, 128, 80)
BESIDE = (4, 2, 1)
"""The stages whose features stand beside each step up: those of a sixteenth, an eighth and a quarter of the picture."""
SCALE = 50.0
"""`L - 50` over this lies where the classifier had its pixels, -1 to 1."""
EPSILON = 1e-3
"""What the classifier's normalisation adds to a variance."""


class _Depthwise(nn.Conv2d):
    """One kernel a channel, in float32: on a CPU the way back through it in bfloat16 takes twice as long."""

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


class Conv(nn.Module):
    """A convolution, batch normalisation, and `act`: "relu6", "relu", or "" for none."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: str = "") -> None:
        super().__init__()
        kind = _Depthwise if groups > 1 else nn.Conv2d
        self.conv = kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        if self.act == "relu6":
            return functional.relu6(x, inplace=True)
        return functional.relu(x, inplace=True) if self.act else x


class Block(nn.Module):
    """Widened, filtered channel by channel, narrowed again; with a way past where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside = inputs * expansion
        steps = [Conv(inputs, inside, 1, act="relu6")] if expansion > 1 else []
        steps += [Conv(inside, inside, kernel, stride, inside, act="relu6"), Conv(inside, outputs, 1)]
        self.steps = nn.Sequential(*steps)
        self.past = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.steps(x)
        return x + y if self.past else y


class Net(nn.Module):
    """`L - 50` (n, 1, s, s), s a multiple of 32, to the features (n, 80, s / 4, s / 4) or logits of 313 bins.

    Its layers stand in the order in which they run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(1, STEM, 3, 2, act="relu6")
        self.stages = nn.ModuleList()
        inputs = STEM
        for stage in STAGES:
            widths = [inputs] + [stage.width] * (stage.blocks - 1)
            strides = [stage.stride] + [1] * (stage.blocks - 1)
            blocks = [
                Block(width, stage.width, stage.kernel, stride, stage.expansion)
                for width, stride in zip(widths, strides, strict=True)
            ]
            self.stages.append(nn.Sequential(*blocks))
            inputs = stage.width
        self.summary = Conv(inputs, SUMMARY, 1, act="relu6")
        self.context = nn.Conv2d(SUMMARY, UP[0], 1)
        self.up = nn.ModuleList()
        for width, beside in zip(UP, BESIDE, strict=True):
            self.up.append(Conv(inputs + STAGES[beside].width, width, 3, act="relu"))
            inputs = width
        self.last = Conv(inputs, inputs, 3, act="relu")
        self.head = nn.Conv2d(inputs, len(BINS), 1)
        nn.init.zeros_(self.head.bias)

    def features(self, x: Tensor) -> Tensor:
        """What the head sees."""
        x = self.stem(x / SCALE)
        seen = []
        for stage in self.stages:
            x = stage(x)
            seen.append(x)
        context = functional.relu(self.context(self.summary(x).mean((2, 3), keepdim=True)))
        for number, (step, beside) in enumerate(zip(self.up, BESIDE, strict=True)):
            x = step(torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), seen[beside]], 1))
            if number == 0:
                x = x + context
        features: Tensor = self.last(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits

    def encoder(self) -> list[Conv]:
        """The convolutions that a classifier has too, in the order in which they run."""
        return [
            one for part in (self.stem, self.stages, self.summary) for one in part.modules() if isinstance(one, Conv)
        ]


def layers(net: Net) -> list[Conv | nn.Conv2d]:
    """All convolutions with weights, in the order in which they run."""
    inside = {one.conv for one in net.modules() if isinstance(one, Conv)}
    return [one for one in net.modules() if isinstance(one, Conv) or (isinstance(one, nn.Conv2d) and one not in inside)]


def decode(logits: Tensor, temperature: float, bias: Tensor | None = None) -> Tensor:
    """ab (n, 2, h, w): the mean of the bins' centres after a softmax at `temperature` (the annealed mean, section 2.3).

    `bias` (313,) is added to the logits first.
    """
    if bias is not None:
        logits = logits + bias[:, None, None]
    centres = torch.from_numpy(BINS).to(logits.device)
    return torch.einsum("nkhw,kc->nchw", functional.softmax(logits.float() / temperature, 1), centres)
