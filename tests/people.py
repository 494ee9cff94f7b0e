"""Work done as another user, which only root can arrange."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable

import pytest

NOBODY = 65534


def as_nobody(work: Callable[[], object]) -> None:
    """Does the work in a forked process as user and group 65534; what it asserts counts. Skips where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: the child only makes calls
        pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "see what the child printed"
