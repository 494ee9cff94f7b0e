"""Names of what the ledger remembers beside the jobs, in its table `setting`."""

from __future__ import annotations

PAUSED = "paused"
"""Which folders are paused: JSON, name -> Unix time since when; "" stands for all."""

WORKERS = "workers"
"""How many scans the daemon works on at once."""

QUIET = "quiet"
"""The quiet hours that the daemon keeps: JSON, `hours` as in the config, `since` a Unix time while it is quiet."""

SHARE = "cpu share"
"""Which part of their time workers may be busy, where that is less than all of it."""

STANDS = "stands:"
"""Begins the name, with a path behind it, under which stands where that outbox, archive or quarantine lay."""

TODAY = "today:"
"""Begins the name under which the recipe of a folder stands, as the daemon that started last has it: JSON."""

RECIPE = "recipe:"
"""Begins the name under which stands what a recipe's key means: JSON of model, strength, saturation, JPEG quality."""
