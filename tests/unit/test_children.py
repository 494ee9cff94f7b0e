from __future__ import annotations

import os

import pytest

from colorwatch.pool.children import ERROR_BYTES, death, error_file, last_words, make_room, waits_in_kernel


def test_the_last_line_is_what_is_kept_of_a_childs_output() -> None:
    with error_file() as errors:
        assert last_words(errors) == ""
        os.write(errors.fileno(), b"first\nlast\n\n")
        assert last_words(errors) == "last"


def test_a_full_error_file_refuses_more() -> None:
    with error_file() as errors:
        assert os.write(errors.fileno(), b"x" * 2 * ERROR_BYTES) == ERROR_BYTES
        with pytest.raises(PermissionError):
            os.write(errors.fileno(), b"more")
        with pytest.raises(PermissionError):
            os.ftruncate(errors.fileno(), 2 * ERROR_BYTES)


def test_a_child_that_speaks_for_years_is_heard_to_the_end() -> None:
    with error_file() as errors:
        for number in range(10_000):
            os.write(errors.fileno(), f"warning {number} of a codec\n".encode())
            make_room(errors)
            if not number % 100:
                assert last_words(errors) == f"warning {number} of a codec"
        assert last_words(errors) == "warning 9999 of a codec"
        assert os.fstat(errors.fileno()).st_size == ERROR_BYTES


def test_a_process_that_runs_waits_for_no_disk() -> None:
    assert not waits_in_kernel(os.getpid())
    assert not waits_in_kernel(2**22 + 1)


@pytest.mark.parametrize(
    ("code", "hung", "killed", "words"),
    [
        (-11, False, False, "it was ended by SIGSEGV"),
        (-9, False, False, "it was ended by SIGKILL (was the memory full?)"),
        (-99, False, False, "it was ended by signal 99"),
        (7, False, False, "it ended by itself with exit code 7"),
        (None, False, False, "it ended, nobody knows how"),
        (-9, True, False, "it did not finish in time and was ended"),
        (None, True, True, "it did not finish in time and could not be ended: a disk or a share keeps it waiting"),
        (None, False, True, "it could not be ended: a disk or a share keeps it waiting"),
    ],
)
def test_a_death_is_told_in_words(code: int | None, hung: bool, killed: bool, words: str) -> None:
    assert death(code, hung, killed) == words
