"""Whether the groups of a config exist, and whether files can be given to them."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Iterator

from colorwatch.config.faults import Fault, quoted
from colorwatch.config.reading import Plain
from colorwatch.config.values import MAX_FOLDERS
from colorwatch.disk.ownership import group_id, may_give
from colorwatch.scan import printable


def check_groups(values: dict[str, Plain]) -> Iterator[Fault]:
    """A fault for each group that this machine does not know, or that this user is no member of."""
    folders = values.get("folders")
    for index, folder in enumerate(folders[:MAX_FOLDERS] if isinstance(folders, list) else []):
        group = folder.get("group") if isinstance(folder, dict) else None
        if not isinstance(group, str) or group in ("", "auto"):
            continue
        message = _fault(group)
        if message:
            yield Fault(("folders", index, "group"), message)


def _fault(group: str) -> str:
    try:
        gid = group_id(group)
    except ValueError:
        named = shlex.quote(printable(group))
        return f"there is no group {quoted(group)}; make it with: sudo groupadd {named}, or write auto"
    if may_give(gid):
        return ""
    user = _user()
    advice = f"add it with: sudo usermod -aG {shlex.quote(group)} {shlex.quote(user)}, or write auto"
    return f"user {user} is not a member of the group {quoted(group)}; {advice}"


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
