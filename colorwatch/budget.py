"""Memory and cores: what a job will need, known from its header, and what may run beside what."""

from __future__ import annotations

import os

from colorwatch.scan import Facts

MIB = 1024 * 1024

# Resident memory of a worker between scans: interpreter, OpenCV, libvips and the embedded net.
WORKER_BYTES = 150 * MIB
SCAN_BYTES = 40 * MIB  # strips, tables, decoder and encoder state, whatever the size
WIDE = 5000  # pixels across; beyond them strips and the net's colours at full width take more than those
BYTES_A_COLUMN = 4000  # at 8 bits; half as much again at 16
HELD_BYTES = 128 * MIB  # of a decoded page; one that is larger is decoded twice instead, and never held

# A net made for speed takes up to twelve times its weights: for 129 MB, 1.1 GB with OpenCV 4 and 1.55 GB with 5
# (measured). Made for little memory it takes three times as much as they.
NET_FAST_RATIO = 12
NET_SMALL_RATIO = 3
# A converted net for OpenCV 5 has its tables in the file already: 638 MB that take 1.5 GB.
NET_TABLES_RATIO = 2.5
NET_TABLES_BYTES = 300 * MIB  # a larger file than this is one of those

CGROUP = "/sys/fs/cgroup"


def cost(facts: Facts) -> int:
    """Bytes that rendering needs beyond an idle worker: an upper bound from the header, for one page at a time."""
    decoded = facts.width * facts.height * facts.bands * (1 if facts.bits <= 8 else facts.bits // 8)
    wide = max(0, facts.width - WIDE) * (BYTES_A_COLUMN if facts.bits <= 8 else BYTES_A_COLUMN * 3 // 2)
    return SCAN_BYTES + wide + min(decoded, HELD_BYTES) + facts.decoder_bytes


def usable_cores() -> int:
    """Cores this process may use: affinity mask, cut by the cgroup's CPU quota."""
    cores = len(os.sched_getaffinity(0))
    quota = _cgroup_value("cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]) > 0:
        cores = min(cores, max(1, int(quota[0]) // int(quota[1])))
    return cores


def usable_memory() -> int:
    """Bytes that may be used: what the machine has available now, cut by the cgroup's limits."""
    available = 1024 * MIB
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        for line in meminfo:
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) * 1024
    for name in ("memory.max", "memory.high"):
        limit = _cgroup_value(name)
        if limit.isdigit():
            available = min(available, int(limit))
    return available


def auto_workers(cores: int, memory: int) -> int:
    """One worker a core, as long as half of the memory holds them, each with a 12-megapixel colour scan."""
    each = WORKER_BYTES + SCAN_BYTES + 12_000_000 * 3
    return max(1, min(cores, memory // 2 // each))


def auto_budget(memory: int, workers: int) -> int:
    """Bytes for scans being rendered: three quarters of the memory, less the idle workers."""
    return max(SCAN_BYTES, memory * 3 // 4 - workers * WORKER_BYTES)


def net_small(setting: str, memory: int, net_bytes: int) -> bool:
    """Whether a net is loaded for little memory rather than for speed: as `setting` (auto, fast or small) says.

    auto: small where the fast net would take more than half of the `memory` that may be used. Both in bytes;
    `net_bytes` is the size of the model's file.
    """
    if setting == "auto":
        return net_bytes * NET_FAST_RATIO > memory // 2
    return setting == "small"


def net_bytes(model: str, small: bool) -> int:
    """Bytes that the net of the model file `model` takes when it is loaded and warm: once, for workers share it."""
    try:
        size = os.path.getsize(model)
    except OSError:
        return 0  # the worker that cannot load it says why
    if small:
        return size * NET_SMALL_RATIO
    return int(size * (NET_TABLES_RATIO if size > NET_TABLES_BYTES else NET_FAST_RATIO))


def _cgroup_value(name: str) -> str:
    """The process's cgroup-v2 setting `name`, walking up to the root; an empty text where there is none."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            path = next((line[3:].strip() for line in file if line.startswith("0::")), "/")
    except OSError:
        return ""
    while True:
        try:
            with open(f"{CGROUP}{path.rstrip('/')}/{name}", encoding="ascii") as file:
                value = file.read().strip()
            if not value.startswith("max"):
                return value
        except OSError:
            pass
        if path in ("", "/"):
            return ""
        path = os.path.dirname(path)
