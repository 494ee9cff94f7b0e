"""The part of the config about when to work, and how much of the machine to take."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from colorwatch.config.faults import quoted
from colorwatch.config.values import Strict, Takes
from colorwatch.hours import Hours


def _hours(text: str) -> str:
    try:
        Hours(text)
    except ValueError as error:
        raise PydanticCustomError("hours", "{wrong}", {"wrong": f"{quoted(text)} {error}"}) from None
    return text


class Work(Strict):
    """When scans are coloured, and how much of the machine that may take."""

    quiet_hours: Annotated[
        str, AfterValidator(_hours), Takes('times as HH:MM-HH:MM in quotes, or "" for none', '"08:00-18:00"')
    ] = Field(
        default="",
        description="When no scan is coloured, by the clock on the wall, such as 22:00-07:00; several with commas "
        "between. Scans are still taken up and wait, and what is being coloured is finished. `colorwatch once` works "
        "at any time.",
    )
    cpu_share: Annotated[int, Takes("a whole number of percent from 1 to 100", "100")] = Field(
        default=100,
        ge=1,
        le=100,
        description="How much of their time workers may be busy, in percent. With 50 each rests after a scan for as "
        "long as that took, so a machine stays cool and quiet; everything takes twice as long.",
    )
    nice: Annotated[int, Takes("a whole number from 0 to 19", "0")] = Field(
        default=0,
        ge=0,
        le=19,
        description="How far workers step back behind all other programs, as for the command nice: 19 is the "
        "furthest. Nothing is lost by it while the machine has nothing else to do.",
    )
