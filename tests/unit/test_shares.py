"""The share of docs/shares.md is one that Samba understands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

PAGE = Path(os.path.dirname(__file__), "..", "..", "docs", "shares.md")


def snippet(name: str) -> str:
    found = re.search(
        rf"<!-- {re.escape(name)}: begin -->\s*```ini\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found
    return textwrap.dedent("   " + found.group(1).lstrip(" "))


@pytest.mark.skipif(shutil.which("testparm") is None, reason="testparm is not installed (Debian: samba-common-bin)")
def test_samba_understands_every_line_and_means_the_same_by_it(tmp_path: Path) -> None:
    path = tmp_path / "smb.conf"
    path.write_text(f"[global]\nlock directory = {tmp_path}\nstate directory = {tmp_path}\n" + snippet("smb.conf"))
    ended = subprocess.run(
        ["testparm", "--suppress-prompt", "--verbose", "--section-name=scans", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    said = ended.stderr.lower()
    assert "unknown parameter" not in said
    assert "ignoring" not in said
    meant = dict(re.findall(r"^\s*([a-z0-9 :]+?) = (.*)$", ended.stdout, re.MULTILINE))
    written = dict(re.findall(r"^\s*([a-z0-9 ]+?) = (.*)$", snippet("smb.conf"), re.MULTILINE))
    assert len(written) > 10
    for key, value in written.items():
        # What is the default anyway may be left out of what is said.
        assert meant.get(key, value).lower().lstrip("0") == value.lower().lstrip("0"), key
