"""A unit's seclusion without systemd: its mounts by bubblewrap, its system-call filters by libseccomp.

What a unit file says is read from the file itself; a key that is not known here is an error, so that no line of it goes
untried without notice. Closer to the truth than to the letter: the user is a mapped one (the caller, under another
number), and other users' processes are out of sight in a namespace of their own. Control groups are left out.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Settings = dict[str, list[str]]

# Said to the service manager, about when and by whom it is run: nothing that shuts anything off.
_MANAGING = {
    *("Type", "NotifyAccess", "ExecStart", "ExecReload", "TimeoutStartSec", "WatchdogSec", "User", "Group"),
    *("Restart", "RestartSec", "RestartPreventExitStatus", "KillMode", "TimeoutStopSec", "OOMPolicy"),
    *("CPUWeight", "IOWeight", "StateDirectoryMode", "Nice", "UMask", "WorkingDirectory", "LimitCORE"),
}
_MOUNTS = {
    *("StateDirectory", "ReadWritePaths", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices"),
    *("DevicePolicy", "PrivateNetwork", "IPAddressDeny", "ProtectProc", "PrivateIPC", "RemoveIPC"),
    *("ProtectHostname", "ProtectKernelTunables", "ProtectControlGroups", "NoNewPrivileges"),
    *("CapabilityBoundingSet", "AmbientCapabilities"),
}
_CALLS = {
    *("SystemCallFilter", "SystemCallArchitectures", "SystemCallErrorNumber", "RestrictAddressFamilies"),
    *("RestrictSUIDSGID", "RestrictNamespaces", "RestrictRealtime", "LockPersonality", "MemoryDenyWriteExecute"),
    *("ProtectClock", "ProtectKernelLogs", "ProtectKernelModules"),
}
UID = 990


def missing() -> str:
    """Why nothing can be secluded here; empty where it can."""
    for program, package in (("bwrap", "bubblewrap"), ("systemd-analyze", "systemd")):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: {package})"
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return "libseccomp.so.2 is not installed (Debian: libseccomp2)"
    tried = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--unshare-user", "--unshare-net", "--proc", "/proc", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"bwrap cannot make namespaces here: {tried.stderr.strip()}" if tried.returncode else ""


def read(path: str) -> Settings:
    """The [Service] section, by key; a key may stand there more than once."""
    found: Settings = {}
    section = ""
    with open(path, encoding="utf-8") as file:
        for line in (line.strip() for line in file):
            if line.startswith("["):
                section = line
            elif "=" in line and not line.startswith("#") and section == "[Service]":
                key, value = line.split("=", 1)
                found.setdefault(key, []).append(value)
    strange = set(found) - _MANAGING - _MOUNTS - _CALLS
    assert not strange, f"nothing here knows how to try {', '.join(sorted(strange))}"
    return found


# --- system calls -----------------------------------------------------------------------------------------------------

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
EQUAL, MASKED, DIFFERENT = 4, 7, 1  # of scmp_compare


def fail(number: int) -> int:
    return 0x00050000 | number


class _Condition(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


class Filter:
    """One seccomp program; several of them stand one behind the other, and the strictest has the say."""

    def __init__(self, otherwise: int = ALLOW) -> None:
        self._library: Any = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def rule(self, call: str, action: int, *conditions: tuple[int, int, int, int]) -> None:
        """`conditions`: (argument, comparison, mask or value, value); a call that this machine lacks is left out."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            return
        array = (_Condition * max(1, len(conditions)))(*(_Condition(*one) for one in conditions))
        done = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(conditions), array
        )
        assert done == 0, (call, os.strerror(-done))

    def file(self) -> int:
        """A descriptor of its program."""
        with tempfile.TemporaryFile() as file:
            assert self._library.seccomp_export_bpf(self._context, file.fileno()) == 0
            self._library.seccomp_release(self._context)
            file.seek(0)
            return os.dup(file.fileno())


def groups() -> dict[str, set[str]]:
    """systemd's groups of system calls, each with all of its calls."""
    told = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True, check=True
    ).stdout
    members: dict[str, set[str]] = {}
    name = ""
    for line in told.splitlines():
        word = line.strip()
        if line.startswith("@"):
            name = word
            members[name] = set()
        elif word and not word.startswith("#") and line.startswith(" "):
            members[name].add(word)

    def calls(group: str) -> set[str]:
        return {call for one in members[group] for call in (calls(one) if one.startswith("@") else {one})}

    return {group: calls(group) for group in members}


def allowed(lines: list[str], known: dict[str, set[str]]) -> set[str]:
    """The calls that SystemCallFilter= lines let through, systemd.exec(5): the first line says what they begin with."""
    assert lines
    assert not lines[0].startswith("~"), "a list of what is forbidden lets everything new through"
    found = set(known["@default"])
    for line in lines:
        named = {
            call for word in line.lstrip("~").split() for call in (known[word] if word.startswith("@") else {word})
        }
        found = found - named if line.startswith("~") else found | named
    return found


def filters(settings: Settings) -> list[Filter]:
    """What systemd 252 makes of the lines, one filter for each."""
    known = groups()
    made = [_call_filter(settings, known)]
    restrictions = {
        "MemoryDenyWriteExecute": _no_new_code,
        "RestrictAddressFamilies": _families,
        "RestrictNamespaces": _no_namespaces,
        "RestrictSUIDSGID": _no_special_bits,
        "RestrictRealtime": _no_realtime,
        "LockPersonality": _one_personality,
    }
    for key, restrict in restrictions.items():
        if key in settings:
            assert settings[key] in (["yes"], ["AF_UNIX"]), (key, settings[key])
            made.append(Filter())
            restrict(made[-1])
    made.append(Filter())
    for key, group in (("ProtectClock", "@clock"), ("ProtectKernelModules", "@module")):
        if settings.get(key) == ["yes"]:
            for call in known[group]:
                made[-1].rule(call, fail(errno.EPERM))
    if settings.get("ProtectKernelLogs") == ["yes"]:
        made[-1].rule("syslog", fail(errno.EPERM))
    return made


def _call_filter(settings: Settings, known: dict[str, set[str]]) -> Filter:
    # Only the machine's own architecture is in the filter; a call of another one ends the process.
    assert settings["SystemCallArchitectures"] == ["native"]
    (refusal,) = settings["SystemCallErrorNumber"]
    through = allowed(settings["SystemCallFilter"], known)
    made = Filter(otherwise=fail(errno.ENOSYS))  # what is newer than systemd is unknown, not forbidden
    for call in sorted(set().union(*known.values())):
        made.rule(call, ALLOW if call in through else fail(getattr(errno, refusal)))
    return made


PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000


def _no_new_code(filter_: Filter) -> None:
    both = PROT_WRITE | PROT_EXEC
    filter_.rule("mmap", fail(errno.EPERM), (2, MASKED, both, both))
    for call in ("mprotect", "pkey_mprotect"):
        filter_.rule(call, fail(errno.EPERM), (2, MASKED, PROT_EXEC, PROT_EXEC))
    filter_.rule("shmat", fail(errno.EPERM), (2, MASKED, SHM_EXEC, SHM_EXEC))


def _families(filter_: Filter) -> None:
    filter_.rule("socket", fail(errno.EAFNOSUPPORT), (0, DIFFERENT, socket.AF_UNIX, 0))


CLONE_FLAGS = {"cgroup": 0x02000000, "ipc": 0x08000000, "net": 0x40000000, "mnt": 0x00020000, "pid": 0x20000000}
CLONE_FLAGS |= {"user": 0x10000000, "uts": 0x04000000}


def _no_namespaces(filter_: Filter) -> None:
    filter_.rule("clone3", fail(errno.ENOSYS))  # its flags cannot be looked at
    filter_.rule("setns", fail(errno.EPERM))
    for flag in CLONE_FLAGS.values():
        filter_.rule("unshare", fail(errno.EPERM), (0, MASKED, flag, flag))
        filter_.rule("clone", fail(errno.EPERM), (0, MASKED, flag, flag))


def _no_special_bits(filter_: Filter) -> None:
    modes = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2, "mknod": 1, "mknodat": 2, "creat": 1}
    for bit in (stat.S_ISUID, stat.S_ISGID):
        for call, argument in modes.items():
            filter_.rule(call, fail(errno.EPERM), (argument, MASKED, bit, bit))
        for call, flags in (("open", 1), ("openat", 2)):
            made = (flags, MASKED, os.O_CREAT, os.O_CREAT)
            filter_.rule(call, fail(errno.EPERM), made, (flags + 1, MASKED, bit, bit))
    filter_.rule("openat2", fail(errno.ENOSYS))


def _no_realtime(filter_: Filter) -> None:
    for policy in (os.SCHED_FIFO, os.SCHED_RR, 6):
        filter_.rule("sched_setscheduler", fail(errno.EPERM), (1, EQUAL, policy, 0))


def _one_personality(filter_: Filter) -> None:
    filter_.rule("personality", fail(errno.EPERM), (0, DIFFERENT, 0, 0))


# --- mounts -----------------------------------------------------------------------------------------------------------


@dataclass
class Seclusion:
    """Runs commands as a unit's `settings` say; `places` maps a path inside to what it is outside."""

    settings: Settings
    places: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, seccomp: Iterable[int], info: int, program: list[str]) -> list[str]:
        words = ["nice", "-n", self._one("Nice"), "bwrap", "--die-with-parent", "--unshare-user"]
        words += ["--uid", str(UID), "--gid", str(UID), "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
        words += [word for key, word in _NAMESPACES.items() if self._one(key) == "yes"]
        words += [*self._mounts(), "--chdir", self._one("WorkingDirectory"), "--clearenv"]
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "colorwatch"}
        for name, value in {**environment, **self.environment}.items():
            words += ["--setenv", name, value]
        for descriptor in seccomp:
            words += ["--add-seccomp-fd", str(descriptor)]
        return [*words, "--info-fd", str(info), "--", *program]

    def _mounts(self) -> list[str]:
        # An empty root in which all that the machine has is put read-only, but for what is hidden or our own.
        for key, value in _EXPECTED.items():
            assert self._one(key) == value, f"{key}={self._one(key)} cannot be tried here"
        hidden = {"/proc", "/dev", "/tmp", "/var/tmp", "/home", "/root", "/run", *self.places}
        words = list(_shown("/", hidden))
        words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp"]
        for own in dict.fromkeys((sys.base_prefix, sys.prefix, _ROOT)):
            words += ["--ro-bind", own, own]
        writable = {f"/var/lib/{self._one('StateDirectory')}"}
        writable |= {path.lstrip("-") for line in self.settings["ReadWritePaths"] for path in line.split()}
        for inside, outside in sorted(self.places.items()):
            held = any(inside == path or inside.startswith(f"{path}/") for path in writable)
            words += ["--bind" if held else "--ro-bind", outside, inside]
        return [*words, "--remount-ro", "/"]

    def _one(self, key: str) -> str:
        (value,) = self.settings[key]
        return value

    @contextlib.contextmanager
    def running(self, program: list[str], **options: Any) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        """The process of bwrap, and the number of the program's own."""
        seccomp = [made.file() for made in filters(self.settings)]
        reader, writer = os.pipe()
        mask = int(self._one("UMask"), 8)
        process = subprocess.Popen(
            self.command(seccomp, writer, program), pass_fds=[*seccomp, writer], umask=mask, **options
        )
        for descriptor in (*seccomp, writer):
            os.close(descriptor)
        with os.fdopen(reader, encoding="ascii") as told:
            found = re.search(r'"child-pid":\s*(\d+)', told.read())
        try:
            yield process, int(found.group(1)) if found else 0
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)


_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NAMESPACES = {"PrivateNetwork": "--unshare-net", "PrivateIPC": "--unshare-ipc"}
_EXPECTED = {"ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes"}


def _shown(folder: str, hidden: set[str]) -> Iterator[str]:
    """Everything in `folder`, read-only, but for the hidden paths; folders that hold one are made anew around it."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if path in hidden:
            continue
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif any(other.startswith(f"{path}/") for other in hidden):
            yield from ("--dir", path)
            yield from _shown(path, hidden)
        else:
            yield from ("--ro-bind-try", path, path)
