"""What makes a result what it is, besides the scan: the model, the settings, and how this version renders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from colorwatch.scan import RenderSettings

VERSION = 4
"""Raised whenever the same scan, model and settings would give other pixels or metadata than before."""

_DEFAULTS = RenderSettings()
_LATER = ("format", "compression")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Two results of one scan are the same if their recipes are. `model_digest` is the model's sha256 in hex."""

    model_digest: str
    settings: RenderSettings
    version: int = VERSION

    @property
    def key(self) -> str:
        """16 hex digits that stand for all fields; the same on every machine and in every run."""
        plain = asdict(self)
        # They came later: results that were made before are those of today's defaults.
        for name in _LATER:
            if plain["settings"][name] == getattr(_DEFAULTS, name):
                del plain["settings"][name]
        canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]

    def wished(self, settings: Mapping[str, Any]) -> Recipe:
        """The same with those settings, by name, that a person has chosen for one scan."""
        return replace(self, settings=replace(self.settings, **settings))
