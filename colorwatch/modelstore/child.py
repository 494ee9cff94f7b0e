"""Asking the child that reads models (`colorwatch.modelstore.converting`), and taking its answer or its death."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

from colorwatch.errors import ModelError
from colorwatch.scan import printable

PROGRAM = "colorwatch.modelstore.converting"
MOST_SECONDS = 600.0
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "ERROR"}


def ask(*order: str) -> dict[str, str]:
    """The child's answer. Raises ModelError with its sentence, or with how it ended where it could say none."""
    try:
        # -P: nothing that lies in the current folder may be imported.
        ended = subprocess.run(
            [sys.executable, "-P", "-m", PROGRAM, *order],
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"Reading the model took longer than {MOST_SECONDS:g} seconds and was ended.") from None
    except OSError as error:
        raise ModelError(f"The model cannot be read: no process could be started ({error.strerror}).") from None
    told = _answer(ended.stdout) if ended.returncode == 0 else None
    if told is None:
        last = ended.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
        words = f": {printable(last[0])[:200]}" if last[0] else ""
        raise ModelError(f"The process that reads the model ended badly ({_how(ended.returncode)}){words}.")
    if "fault" in told:
        raise ModelError(told["fault"])
    return told


def _answer(output: bytes) -> dict[str, str] | None:
    try:
        told = json.loads(output.splitlines()[-1])
    except (ValueError, IndexError):
        return None
    if not isinstance(told, dict):
        return None
    return {str(key): str(value) for key, value in told.items()}


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"
