"""Fixtures that all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# `make fuzz`: more examples of whatever does not say how many it wants.
settings.register_profile("fuzz", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

TESTS = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(autouse=True, scope="session")
def _children_find_the_tests() -> None:
    """Workers are started with a safe path; the nets and programs that fail on purpose lie among the tests."""
    paths = [TESTS, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


@pytest.fixture(scope="session")
def testdata() -> str:
    """The folder of photographs that the repository does not carry."""
    folder = os.environ.get("COLORWATCH_TESTDATA", "")
    if not os.path.isdir(folder):
        pytest.skip("COLORWATCH_TESTDATA names no folder of photographs")
    return folder
