"""Where a result comes from, as an XMP packet says it: written for everyone who reads pictures, read back by us.

- `Iptc4xmpExt:DigitalSourceType`, for programs that tell people which pictures are machine-made: IPTC's term for media
  edited by generative AI. The colours correct nothing that is in the scan: a model that learnt from photographs made
  them up. (IPTC's "algorithmically altered" is for filters that leave the content as it was.) A type that the scan had,
  such as a print or a negative, is no longer true of the result, and stays as `colorwatch:ScanSourceType`.
- A namespace of our own: what `read` needs, and a sentence for people.
- Of a picture that was left as it is, none of that is said: its colours are its own, or none.
- A print that was cut out of a result names that result, and has none of what `read` needs: it is no scan's result.
- `xmp:CreatorTool`, the first known tool by its definition: it is ours only where the scan names none, anywhere.

A thumbnail in the scan's packet goes, for it shows the grey picture.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from colorwatch import __version__
from colorwatch.metadata import xmp
from colorwatch.scan import Provenance, printable

NAMESPACE = "http://ns.colorwatch/1.0/"
SOFTWARE = f"colorwatch {__version__}"
MACHINE_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

MAX_PATH = 4096  # bytes of a path; a longer one is left out, the digest stands for the scan
MAX_MODEL = 300  # characters of a model's name

_PREFIXES = {NAMESPACE: "colorwatch", xmp.IPTC_EXT: "Iptc4xmpExt", xmp.XMP: "xmp"}
_SOURCE_TYPE = (xmp.IPTC_EXT, "DigitalSourceType")
_TOOL = (xmp.XMP, "CreatorTool")
_THUMBNAILS = (xmp.XMP, "Thumbnails")
_SCAN_TYPE = (NAMESPACE, "ScanSourceType")

_FIELDS = {"digest": "SourceDigest", "path": "SourcePath", "recipe": "Recipe", "model": "Model"}
_FIELDS |= {"model_digest": "ModelDigest"}
_DIGEST = re.compile("[0-9a-f]{64}")
_CODE = re.compile(rb"%([0-9A-Fa-f]{2})")
_RECIPE = re.compile("[0-9a-f]{1,64}")


def packet(provenance: Provenance, tool_known: bool, wrapped: bool = True) -> bytes:
    """A new packet that says nothing else; with `tool_known`, the scan names the tool that made it."""
    return xmp.new(_properties(provenance, None, tool_known), _PREFIXES, wrapped)


def added_to(content: bytes, provenance: Provenance, tool_known: bool) -> bytes:
    """The scan's own packet, with this added; what an earlier colorwatch had added is replaced.

    A packet that is marked read-only means that programs which know nothing of the file's format must not write into
    it; that does not concern us. Raises XmpError where the packet cannot be changed safely.
    """
    found = xmp.parse(content)
    properties = _properties(provenance, found, tool_known)
    dropped = {*properties, *(() if provenance.left else (_THUMBNAILS,))}
    return xmp.changed(found, lambda name: name in dropped or name[0] == NAMESPACE, properties, _PREFIXES)


def read(content: bytes) -> Provenance | None:
    """What the packet says, or None where it is none of ours, or none at all. Nothing in it is trusted."""
    try:
        found = xmp.parse(content)
    except xmp.XmpError:
        return None
    texts = {field: _unescaped(found.value((NAMESPACE, name)) or "") for field, name in _FIELDS.items()}
    told = Provenance(**texts)
    sound = _DIGEST.fullmatch(told.digest) and _DIGEST.fullmatch(told.model_digest) and _RECIPE.fullmatch(told.recipe)
    if sound and 0 < len(told.model) <= MAX_MODEL and told.model.isprintable() and _is_inside(told.path):
        return told
    return None


def is_ours(software: str) -> bool:
    """Whether an earlier colorwatch named itself there as the software."""
    return software.startswith("colorwatch ")


def _properties(provenance: Provenance, earlier: xmp.Packet | None, tool_known: bool) -> Mapping[xmp.Name, str]:
    path = provenance.path if len(os.fsencode(provenance.path)) <= MAX_PATH else ""
    model = printable(provenance.model)[:MAX_MODEL]
    note = f"The colours are machine-made: they are the guess of a neural network ({model}), not a record of the scene."
    if provenance.left:
        note = f"colorwatch left this picture as it is: {provenance.left}."
    values = {"SourceDigest": provenance.digest, "SourcePath": path, "Recipe": provenance.recipe, "Model": model}
    values |= {"ModelDigest": provenance.model_digest}
    if provenance.cut:
        note += f" It is print {provenance.cut} that lay side by side, cut out of {printable(os.path.basename(path))}."
        values = {"Print": provenance.cut, "CutFrom": path, "CutFromDigest": provenance.digest, "Model": model}
    found = {(NAMESPACE, "Note"): note, (NAMESPACE, "Software"): SOFTWARE}
    found |= {(NAMESPACE, name): _escaped(value) for name, value in values.items()}
    found |= {(NAMESPACE, "Losses"): provenance.losses} if provenance.losses else {}
    if not provenance.left:
        found[_SOURCE_TYPE] = MACHINE_MADE
    if earlier is not None:
        before = earlier.value(_SOURCE_TYPE) if not provenance.left else None
        before = earlier.value(_SCAN_TYPE) if before == MACHINE_MADE else before
        found |= {_SCAN_TYPE: before} if before else {}
        tool = earlier.value(_TOOL)
        tool_known |= tool is not None and not is_ours(tool)
    return found if tool_known else found | {_TOOL: SOFTWARE}


def _escaped(text: str) -> str:
    """`text` with a percent code for each byte of what XML cannot hold or its writers may change."""
    raw = os.fsencode(text).decode("utf-8", "surrogateescape")
    inner = "".join(each if each.isprintable() and each != "%" else _percent(each) for each in raw)
    # White space at the ends is the first thing that programs take away.
    return re.sub("^ | $", "%20", inner)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def _unescaped(text: str) -> str:
    return os.fsdecode(_CODE.sub(lambda code: bytes.fromhex(code[1].decode()), text.encode()))


def _is_inside(path: str) -> bool:
    """Whether a path is one that a scan can have below its inbox, or was left out."""
    parts = path.split("/")
    return not path or (len(os.fsencode(path)) <= MAX_PATH and "\0" not in path and not {"", ".", ".."} & set(parts))
