"""Any text gives a config or a list of faults, and never anything else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from colorwatch.config import Config, Folder, Limits, Logging, ModelPath, load
from colorwatch.errors import ConfigError

MODELS = (Config, Folder, Limits, Logging, ModelPath)
KEYS = [*sorted({key for model in MODELS for key in model.model_fields}), "<<"]
VALUES = ["./inbox", "./outbox", "/", ".", "~", "auto", "archive", "keep", "compact", "a.onnx", "json", "no", "5", "-1"]

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(VALUES), st.text(max_size=8), st.dates()
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.sampled_from(KEYS), scalars), inner, max_size=6)
    ),
    max_leaves=25,
)
folders = st.dictionaries(st.sampled_from(sorted(Folder.model_fields)), scalars | trees, max_size=11)
sections = st.dictionaries(st.sampled_from(KEYS), scalars, max_size=6)
configs = st.fixed_dictionaries(
    {"folders": st.lists(folders, max_size=3) | trees},
    optional={
        "model": scalars | sections,
        "workers": scalars,
        "state": scalars,
        "limits": sections | trees,
        "logging": sections | trees,
    },
)
fragments = st.lists(
    st.sampled_from(
        [*KEYS, *VALUES, *": ,[]{}&*!|>-?%@`#'\"\t\n\\", ": ", "\n  ", "- ", "&a ", "*a", "!!", "\\U", "---\n"]
    ),
    max_size=60,
).map("".join)


@pytest.fixture(scope="module")
def home() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("inbox", "outbox"):
            os.mkdir(os.path.join(folder, name))
        yield folder


def check(home: str, content: bytes, check_folders: bool) -> None:
    path = os.path.join(home, "c.yaml")
    with open(path, "wb") as file:
        file.write(content)
    config, faults = loaded(path, check_folders)
    assert (config is None) == bool(faults)
    for fault in faults:
        assert fault.isprintable(), fault
        assert fault.startswith(path), fault
    for folder in config.folders if config else ():
        assert os.path.isabs(folder.inbox)
        assert folder.name


def loaded(path: str, check_folders: bool) -> tuple[Config | None, list[str]]:
    try:
        return load(path, check_folders), []
    except ConfigError as error:
        return None, error.faults


@settings(deadline=None)
@given(content=st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_a_config_or_its_faults(home: str, content: bytes) -> None:
    check(home, content, True)


@settings(deadline=None)
@given(text=fragments)
def test_any_scraps_of_yaml_give_a_config_or_its_faults(home: str, text: str) -> None:
    check(home, text.encode(), True)


@settings(deadline=None)
@given(tree=configs, check_folders=st.booleans())
def test_anything_that_looks_like_a_config_gives_one_or_its_faults(
    home: str, tree: object, check_folders: bool
) -> None:
    check(home, yaml.safe_dump(tree, allow_unicode=False).encode("utf-8", "surrogatepass"), check_folders)
