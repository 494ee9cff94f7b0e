"""Which images make up a page: where its content draws them, how they lie, and which are strips of one picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pikepdf

from colorwatch.errors import TooLargeError
from colorwatch.formats.pdffile import MAX_CONTENT, bounded

MAX_DEPTH = 8  # of forms drawn inside forms
MAX_DRAWN = 20_000  # images drawn on one page; a page in strips of one row each has some thousand
SMALLEST_SIDE = 48  # pixels; below it lie logos, rules and bullets
SMALLEST_SHARE = 0.01  # of the page's area

Matrix = tuple[float, float, float, float, float, float]
"""a b c d e f of ISO 32000-2, 8.3.4: the unit square's corner goes to (e, f), its sides to (a, b) and (c, d)."""
UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

# Where an image's left-to-right and bottom-to-top go on the page as it is shown -> EXIF orientation.
_RIGHT, _UP, _LEFT, _DOWN = range(4)
_ORIENTATIONS = {(_RIGHT, _UP): 1, (_LEFT, _UP): 2, (_LEFT, _DOWN): 3, (_RIGHT, _DOWN): 4}
_ORIENTATIONS |= {(_DOWN, _LEFT): 5, (_DOWN, _RIGHT): 6, (_UP, _RIGHT): 7, (_UP, _LEFT): 8}


@dataclass(frozen=True, slots=True)
class Drawn:
    """One image where a page draws it. `home` is the dictionary that holds it under `name`."""

    image: Any
    home: Any
    name: str
    matrix: Matrix

    @property
    def width(self) -> int:
        return int(self.image.get("/Width", 0))

    @property
    def height(self) -> int:
        return int(self.image.get("/Height", 0))

    @property
    def bits(self) -> int:
        return 1 if self.is_stencil else int(self.image.get("/BitsPerComponent", 8))

    @property
    def is_stencil(self) -> bool:
        return bool(self.image.get("/ImageMask", False))

    @property
    def is_masked(self) -> bool:
        return "/SMask" in self.image or "/Mask" in self.image or bool(self.image.get("/SMaskInData", 0))

    @property
    def key(self) -> tuple[int, int]:
        """Tells one image of a document from another."""
        number, generation = self.image.objgen
        return number, generation

    @property
    def area(self) -> float:
        a, b, c, d, _, _ = self.matrix
        return abs(a * d - b * c)


@dataclass(slots=True)
class PagePicture:
    """One picture of a page, in strips from top to bottom, nearly always one. `orientation` is EXIF's, 1..8."""

    strips: list[Drawn]
    orientation: int = 1
    width: int = field(init=False)
    height: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = self.strips[0].width
        self.height = sum(strip.height for strip in self.strips)

    @property
    def bits(self) -> int:
        return max(strip.bits for strip in self.strips)

    @property
    def area(self) -> float:
        return sum(strip.area for strip in self.strips)


def pictures_of(pdf: pikepdf.Pdf, page: pikepdf.Page) -> list[PagePicture]:
    """The pictures that a page is made of, in the order in which it draws them.

    Left out are stencils, pictures with masks and those that lie under such a layer, and what is too small to be a
    scan. Raises TooLargeError, DamagedError, and what pikepdf raises of damaged objects.
    """
    drawn = list(_drawn_by(pdf, page))
    plain = [each for each in drawn if not (each.is_stencil or each.is_masked) and each.width > 0 and each.height > 0]
    layers = [each for each in drawn if each.is_stencil or each.is_masked]
    rotation = _rotation(page)
    size = _page_area(page)
    found = []
    for strips in _joined(plain):
        picture = PagePicture(strips, _orientation(strips[0].matrix, rotation))
        if min(picture.width, picture.height) < SMALLEST_SIDE or (size and picture.area < SMALLEST_SHARE * size):
            continue
        # Text and pictures in layers (MRC): what lies beneath is a background with holes, no picture to colour.
        if any(_covers(layer, picture) for layer in layers):
            continue
        found.append(picture)
    return found


def _covers(layer: Drawn, picture: PagePicture) -> bool:
    """Whether a layer lies over most of a picture."""
    left, bottom, right, top = _box([strip.matrix for strip in picture.strips])
    x0, y0, x1, y1 = _box([layer.matrix])
    over = max(0.0, min(right, x1) - max(left, x0)) * max(0.0, min(top, y1) - max(bottom, y0))
    return over > 0.5 * (right - left) * (top - bottom)


def _box(matrices: list[Matrix]) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of all of them together, in the page's units."""
    xs = [e + dx for a, _, c, _, e, _ in matrices for dx in (0.0, a, c, a + c)]
    ys = [f + dy for _, b, _, d, _, f in matrices for dy in (0.0, b, d, b + d)]
    return min(xs), min(ys), max(xs), max(ys)


def _page_area(page: pikepdf.Page) -> float:
    box = [float(edge) for edge in page.mediabox]
    return abs((box[2] - box[0]) * (box[3] - box[1])) if len(box) == 4 else 0.0


def _rotation(page: pikepdf.Page) -> int:
    """Clockwise quarter turns by which the page is shown."""
    angle = page.obj.get("/Rotate", 0)
    return int(angle) // 90 % 4


def _orientation(matrix: Matrix, rotation: int) -> int:
    a, b, c, d, _, _ = matrix
    # Directions are counted counterclockwise, pages turn clockwise.
    turned = ((_direction(a, b) - rotation) % 4, (_direction(c, d) - rotation) % 4)
    return _ORIENTATIONS.get(turned, 1)


def _direction(x: float, y: float) -> int:
    return round(math.atan2(y, x) / (math.pi / 2)) % 4


# --- what a page draws --------------------------------------------------------------------------------------


def _drawn_by(pdf: pikepdf.Pdf, page: pikepdf.Page) -> Iterator[Drawn]:
    content = page.obj.get("/Contents")
    streams = list(content) if isinstance(content, pikepdf.Array) else [content] if content is not None else []
    parts, room = [], MAX_CONTENT
    for stream in streams:
        if isinstance(stream, pikepdf.Stream):
            parts.append(bounded(stream, room))
            room -= len(parts[-1])
    count = [0]
    yield from _draws(pdf, b"\n".join(parts), page.obj.get("/Resources"), UNIT, 0, count)


def _draws(
    pdf: pikepdf.Pdf, content: bytes, resources: Any, matrix: Matrix, depth: int, count: list[int]
) -> Iterator[Drawn]:
    objects = resources.get("/XObject") if isinstance(resources, pikepdf.Dictionary) else None
    if not isinstance(objects, pikepdf.Dictionary):
        return
    saved: list[Matrix] = []
    for each in pikepdf.parse_content_stream(pikepdf.Stream(pdf, content), "q Q cm Do"):
        operands: Any = each.operands
        match str(each.operator):
            case "q":
                saved.append(matrix)
            case "Q" if saved:
                matrix = saved.pop()
            case "cm" if len(operands) == 6:
                matrix = _times(_matrix(operands), matrix)
            case "Do" if operands:
                count[0] += 1
                if count[0] > MAX_DRAWN:
                    raise TooLargeError(f"A page draws more than {MAX_DRAWN:,} images.")
                yield from _drawn(pdf, objects, str(operands[0]), matrix, depth, count, resources)


def _drawn(
    pdf: pikepdf.Pdf, objects: Any, name: str, matrix: Matrix, depth: int, count: list[int], resources: Any
) -> Iterator[Drawn]:
    found = objects.get(name)
    if not isinstance(found, pikepdf.Stream):
        return
    kind = found.get("/Subtype")
    if kind == "/Image":
        yield Drawn(found, objects, name, matrix)
    elif kind == "/Form" and depth < MAX_DEPTH:
        inner = found.get("/Matrix")
        placed = _times(_matrix(inner), matrix) if isinstance(inner, pikepdf.Array) and len(inner) == 6 else matrix
        content = bounded(found, MAX_CONTENT)
        yield from _draws(pdf, content, found.get("/Resources", resources), placed, depth + 1, count)


def _matrix(numbers: Any) -> Matrix:
    a, b, c, d, e, f = (float(number) for number in numbers)
    return a, b, c, d, e, f


def _times(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    p, q, r, s, x, y = then
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + x, e * q + f * s + y


# --- strips -------------------------------------------------------------------------------------------------


def _joined(drawn: list[Drawn]) -> list[list[Drawn]]:
    """Images put together that lie one below the other, of one width and one way up, without a gap.

    Pages whose content draws the same image twice keep its first place.
    """
    found: list[list[Drawn]] = []
    seen = set[tuple[int, int]]()
    # Top to bottom of the image as it lies: writers draw strips in either order.
    for each in sorted(drawn, key=_height_along):
        if each.key in seen:
            continue
        seen.add(each.key)
        above = next((strips for strips in found if _continues(strips[-1], each)), None)
        if above is None:
            found.append([each])
        else:
            above.append(each)
    order = {each.key: at for at, each in reversed(list(enumerate(drawn)))}
    return sorted(found, key=lambda strips: min(order[strip.key] for strip in strips))


def _height_along(each: Drawn) -> float:
    """How far down an image lies, measured along its own upward side."""
    _, _, c, d, e, f = each.matrix
    length = math.hypot(c, d) or 1.0
    return -(e * c + f * d) / length


def _continues(above: Drawn, below: Drawn) -> bool:
    if above.width != below.width or _kind(above) != _kind(below):
        return False
    a, b, _, _, e, f = above.matrix
    p, q, r, s, x, y = below.matrix
    # A pixel's length on the page, either way: scanners round strip edges to whole points at worst.
    near = max(math.hypot(p, q) / max(below.width, 1), math.hypot(r, s) / max(below.height, 1), 0.5) * 2
    return math.dist((a, b), (p, q)) <= near and math.dist((e, f), (x + r, y + s)) <= near


def _kind(each: Drawn) -> tuple[int, str]:
    """Strips of one picture are of one depth and colour space."""
    return each.bits, str(each.image.get("/ColorSpace", ""))[:200] if _is_name(each) else ""


def _is_name(each: Drawn) -> bool:
    return isinstance(each.image.get("/ColorSpace"), pikepdf.Name)
