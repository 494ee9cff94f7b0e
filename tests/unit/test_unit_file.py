"""The unit file: systemd accepts it, it fits the package, and the libraries live with its tightest line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from colorwatch.config import Config, Limits
from colorwatch.errors import Exit

SYSTEMD = os.path.join(os.path.dirname(__file__), "..", "..", "systemd")
UNIT = os.path.join(SYSTEMD, "colorwatch.service")
SYSUSERS = os.path.join(SYSTEMD, "colorwatch.sysusers")

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


TEMPLATE = os.path.join(SYSTEMD, "colorwatch@.service")


def test_the_template_is_the_unit_with_a_name_in_four_lines():
    def lines(path: str) -> list[str]:
        with open(path, encoding="utf-8") as file:
            return [line for line in file.read().splitlines() if line and not line.startswith("#")]

    pairs = [(one, other) for one, other in zip(lines(UNIT), lines(TEMPLATE), strict=True) if one != other]
    assert [other.partition("=")[0] for _, other in pairs] == [
        *("Description", "ExecStart", "StateDirectory", "WorkingDirectory"),
    ]
    named = {"/config.yaml": "/%i.yaml", "colorwatch,": "colorwatch (%i),"}
    for one, other in pairs:
        for plain, with_name in named.items():
            one = one.replace(plain, with_name)
        assert other in (one, f"{one}/%i")


def settings() -> dict[str, list[str]]:
    """What the unit sets, by key; a key may stand there more than once."""
    found: dict[str, list[str]] = {}
    with open(UNIT, encoding="utf-8") as file:
        for line in file:
            if "=" in line and not line.startswith("#"):
                key, value = line.strip().split("=", 1)
                found.setdefault(key, []).append(value)
    return found


@pytest.fixture(params=[UNIT, TEMPLATE], ids=["unit", "template"])
def unit_with_a_program(tmp_path, request):
    """The unit, with a program in ExecStart that exists on this machine: `verify` looks for it."""
    with open(request.param, encoding="utf-8") as file:
        text = file.read()
    program = settings()["ExecStart"][0].split()[0]
    path = tmp_path / os.path.basename(request.param).replace("@", "@photos")
    path.write_text(text.replace(program, "/bin/true"), encoding="utf-8")
    return str(path)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@needs_systemd_analyze
def test_systemd_finds_nothing_wrong(unit_with_a_program):
    result = run("systemd-analyze", "verify", unit_with_a_program)
    complaints = [line for line in result.stderr.splitlines() if "colorwatch" in line]
    assert (result.returncode, complaints) == (0, [])


@needs_systemd_analyze
def test_systemd_rates_the_exposure_at_two_or_less(unit_with_a_program):
    command = ("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", unit_with_a_program)
    result = run(*command)
    if "--offline" in result.stderr:
        pytest.skip("this systemd-analyze cannot judge a file that is not installed")
    assert result.returncode == 0, result.stdout[-400:] + result.stderr


@needs_systemd_analyze
def test_notify_reload_is_accepted_where_systemd_knows_it(tmp_path):
    version = int(run("systemd-analyze", "--version").stdout.split()[1])
    if version < 253:
        pytest.skip(f"systemd {version} does not know Type=notify-reload")
    (tmp_path / "colorwatch.service.d").mkdir()
    shutil.copy(os.path.join(SYSTEMD, "colorwatch.service.d", "reload.conf"), tmp_path / "colorwatch.service.d")
    with open(UNIT, encoding="utf-8") as file:
        text = file.read().replace(settings()["ExecStart"][0].split()[0], "/bin/true")
    (tmp_path / "colorwatch.service").write_text(text)
    result = run("systemd-analyze", "verify", str(tmp_path / "colorwatch.service"))
    assert (result.returncode, [line for line in result.stderr.splitlines() if "colorwatch" in line]) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_sysusers_makes_the_user_that_the_unit_names(tmp_path):
    (tmp_path / "etc").mkdir()
    result = run("systemd-sysusers", f"--root={tmp_path}", os.path.abspath(SYSUSERS))
    assert result.returncode == 0, result.stderr
    users = [line.split(":") for line in (tmp_path / "etc" / "passwd").read_text().splitlines()]
    made = {name: (home, shell) for name, _, _, _, _, home, shell in users}
    assert list(made) == settings()["User"] == settings()["Group"]
    assert made["colorwatch"] == (Config.model_fields["state"].default, "/usr/sbin/nologin")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("KillMode", "mixed"),  # or the workers die before the daemon can wait for them
        ("OOMPolicy", "continue"),  # or one worker too large ends the service
        ("Restart", "on-failure"),
        ("ProtectSystem", "strict"),
        ("PrivateNetwork", "yes"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
    ],
)
def test_the_unit_sets_what_the_design_needs(key, value):
    assert settings()[key] == [value]


@pytest.mark.parametrize("key", ["DynamicUser", "PrivateUsers"])
def test_the_unit_leaves_out_what_would_give_files_away(key):
    assert key not in settings()


def test_a_stop_lasts_longer_than_the_drain():
    assert float(settings()["TimeoutStopSec"][0]) > Limits().drain_seconds


def test_faults_that_a_restart_cannot_mend_are_not_restarted():
    assert settings()["RestartPreventExitStatus"] == [f"{Exit.USAGE:d}"]


def test_the_state_folder_is_the_default_of_the_config():
    assert f"/var/lib/{settings()['StateDirectory'][0]}" == Config.model_fields["state"].default


LIBRARIES = """
import mmap, sys
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
    sys.exit("the kernel does not enforce it")
except PermissionError:
    pass
import cv2, numpy, pyvips
net = cv2.dnn.readNetFromONNX(sys.argv[1])
net.setInput(numpy.zeros((1, 1, 224, 224), numpy.float32))
assert net.forward().shape == (1, 2, 56, 56)
encoded = pyvips.Image.black(64, 64).jpegsave_buffer()
source, position = pyvips.SourceCustom(), 0
def read(size):
    global position
    position += size
    return encoded[position - size : position]
source.on_read(read)  # a callback from native code, where cffi without a compiled module would write code at run time
assert pyvips.Image.new_from_source(source, "").avg() == 0
"""

# PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN: the kernel's own form of what systemd does by a system-call filter. It is
# inherited by the program that runs next.
UNDER_MEMORY_DENY_WRITE_EXECUTE = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:
    sys.exit("the kernel does not know it")
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[1:]])
"""


def test_the_libraries_work_where_memory_is_never_writable_and_executable():
    assert settings()["MemoryDenyWriteExecute"] == ["yes"]
    net = os.path.join(SYSTEMD, "..", "models", "compact.onnx")
    result = run(sys.executable, "-c", UNDER_MEMORY_DENY_WRITE_EXECUTE, LIBRARIES, net)
    if "the kernel does not" in result.stderr:
        pytest.skip(f"MemoryDenyWriteExecute cannot be tried here: {result.stderr.strip()}")
    assert result.returncode == 0, result.stderr
