"""A recipe's key stands for everything that makes a result what it is."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from colorwatch.recipe import VERSION, Recipe
from colorwatch.scan import RenderSettings

DIGEST = "24f94cba" * 8

recipes = st.builds(
    Recipe,
    model_digest=st.text("0123456789abcdef", min_size=64, max_size=64),
    settings=st.builds(
        RenderSettings, jpeg_quality=st.integers(50, 100), strength=st.floats(0, 1), saturation=st.floats(0, 2)
    ),
    version=st.integers(1, 1000),
)


def test_key_is_sixteen_hex_digits_and_the_same_in_every_version_of_python() -> None:
    key = Recipe(DIGEST, RenderSettings(), 1).key
    assert key == "fe35563ffef1b45f"
    assert len(key) == 16


def test_key_is_the_same_in_another_process() -> None:
    code = f"from colorwatch.recipe import *; print(Recipe({DIGEST!r}, RenderSettings()).key)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == Recipe(DIGEST, RenderSettings(), VERSION).key


@settings(deadline=None)
@given(recipes, recipes)
def test_recipes_have_the_same_key_only_if_they_are_equal(one: Recipe, other: Recipe) -> None:
    assert (one.key == other.key) == (one == other)


@settings(deadline=None)
@given(recipes, st.integers(50, 100), st.integers(1, 1000))
def test_any_changed_field_changes_the_key(recipe: Recipe, quality: int, version: int) -> None:
    assume(quality != recipe.settings.jpeg_quality and version != recipe.version)
    changed = [
        dataclasses.replace(recipe, settings=dataclasses.replace(recipe.settings, jpeg_quality=quality)),
        dataclasses.replace(recipe, version=version),
        dataclasses.replace(recipe, model_digest=recipe.model_digest[::-1] + "0"),
    ]
    assert recipe.key not in {other.key for other in changed}


def test_every_field_of_the_settings_is_part_of_the_key() -> None:
    before = Recipe(DIGEST, RenderSettings()).key
    for field in dataclasses.fields(RenderSettings):
        changed: dict[str, Any] = {field.name: "something else"}
        other = dataclasses.replace(RenderSettings(), **changed)
        assert Recipe(DIGEST, other).key != before, field.name
