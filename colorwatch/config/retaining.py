"""The part of the config about how long things are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from colorwatch.config.values import Strict, Takes

_DAYS = "a whole number of days from 0 to 36500"


class Retention(Strict):
    """For how many days things are kept; 0 means for ever."""

    archive_days: Annotated[int, Takes(_DAYS, "0")] = Field(
        default=0,
        ge=0,
        le=36_500,
        description="How many days an original stays in the archive before it is deleted. 0: for ever.",
    )
    quarantine_days: Annotated[int, Takes(_DAYS, "0")] = Field(
        default=0,
        ge=0,
        le=36_500,
        description="How many days a scan stays in quarantine before it is deleted, with its notes. 0: for ever.",
    )
    history_days: Annotated[int, Takes(_DAYS, "0")] = Field(
        default=0,
        ge=0,
        le=36_500,
        description="How many days it is remembered what was done with a scan that is no longer in the inbox. After "
        "that the same scan, saved again, is a new one. 0: for ever.",
    )
