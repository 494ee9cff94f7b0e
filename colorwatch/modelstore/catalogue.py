"""The models that are known by name: what each is, who made it, how to recognise it and where it may be fetched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """What has to be done with a model's file before it runs."""

    EMBEDDED = "embedded"  # comes with colorwatch, runs as it is
    CAFFE = "caffe"  # is converted to ONNX, once
    ONNX = "onnx"  # runs as its manifest says


@dataclass(frozen=True, slots=True)
class Known:
    """One known model. `size` in bytes, None where it is not known; no file of it is larger than `at_most` bytes."""

    name: str
    title: str
    form: Form
    file: str
    sha256: str
    size: int | None
    at_most: int
    licence: str
    source: str
    addresses: tuple[str, ...] = ()
    manifest: str | None = None  # where it differs from the usual contract: a file that comes with colorwatch


COMPACT = Known(
    name="compact",
    title="the model that comes with colorwatch",
    form=Form.EMBEDDED,
    file="compact.onnx",
    sha256="f5359005ec98a5f98676923cf09ecf93eca4e662573e1173e69ccf17e0b28188",
    size=10_221_818,
    at_most=10_221_818,
    licence="MIT and Apache-2.0",
    source="comes with colorwatch",
)

PUBLISHED = Known(
    name="zhang2016",
    title="Zhang, Isola, Efros: Colorful Image Colorization (ECCV 2016), release v2",
    form=Form.CAFFE,
    file="colorization_release_v2.caffemodel",
    sha256="f5af1e602646328c792e1094f9876fe9cd4c09ac46fa886e5708a1abc89137b1",
    size=128_946_764,
    at_most=128_946_764,
    licence="BSD-2-Clause",
    source="https://github.com/richzhang/colorization/tree/caffe",
    addresses=(
        "https://github.com/spmallick/learnopencv/releases/download/Colorization/colorization_release_v2.caffemodel",
        "https://storage.openvinotoolkit.org/repositories/datumaro/models/colorization/colorization_release_v2.caffemodel",
        "https://www.dropbox.com/s/dx0qvhhp5hbcx7z/colorization_release_v2.caffemodel?dl=1",
        "http://eecs.berkeley.edu/~rich.zhang/projects/2016_colorization/files/demo_v2/colorization_release_v2.caffemodel",
    ),
)

PUBLISHED_ONNX = Known(
    name="zhang2016-onnx",
    title="the PyTorch port of zhang2016, as ONNX",
    form=Form.ONNX,
    file="colorization-eccv-16.onnx",
    sha256="b4a4cecae9e84e776d665e85774815b0bb43de382813b02fb13144f8fd5d6c83",
    size=None,
    at_most=150_000_000,
    licence="BSD-2-Clause",
    source="https://github.com/clibdev/colorization",
    addresses=("https://github.com/clibdev/colorization/releases/latest/download/colorization-eccv-16.onnx",),
    manifest="models/zhang2016-onnx.yaml",
)

SIGGRAPH = Known(
    name="siggraph17",
    title="Zhang, Zhu, Isola and others: Real-Time User-Guided Image Colorization (SIGGRAPH 2017), without a user",
    form=Form.ONNX,
    file="colorization-siggraph-17.onnx",
    sha256="7db825910668ee321327d2e6b446e57cbc9c066e196e8be0e152bf76e1206eb7",
    size=None,
    at_most=150_000_000,
    licence="BSD-2-Clause",
    source="https://github.com/clibdev/colorization",
    addresses=("https://github.com/clibdev/colorization/releases/latest/download/colorization-siggraph-17.onnx",),
    manifest="models/siggraph17.yaml",
)

CATALOGUE: dict[str, Known] = {known.name: known for known in (COMPACT, PUBLISHED, PUBLISHED_ONNX, SIGGRAPH)}
"""By name, in the order of listings. `auto` chooses between zhang2016 and compact."""

BY_DIGEST: dict[str, Known] = {known.sha256: known for known in CATALOGUE.values()}
BY_FILE: dict[str, Known] = {known.file: known for known in CATALOGUE.values()}
