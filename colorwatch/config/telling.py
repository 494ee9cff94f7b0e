"""The parts of the config that say who is told what: notices for people, metrics for programs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from colorwatch.config.values import FolderPath, Strict, Takes

Kind = Literal["quarantine", "blind", "disk", "failed", "digest"]
KINDS: tuple[Kind, ...] = ("quarantine", "blind", "disk", "failed", "digest")


class Notify(Strict):
    """Who is told when something needs a person."""

    command: Annotated[tuple[str, ...], Takes("a list of words", "[]")] = Field(
        default=(),
        description="A command to run for each notice, word by word, without a shell. The words {kind}, {title} and "
        "{text} stand for the notice; COLORWATCH_KIND, COLORWATCH_TITLE and COLORWATCH_TEXT in its environment, too.",
    )
    webhook: Annotated[str, Takes("an address that begins with http:// or https://", "https://ntfy.sh/my-scans")] = (
        Field(default="", pattern=r"^$|^https?://[^\s]+$", description="An address to post each notice to.")
    )
    webhook_shape: Annotated[
        Literal["ntfy", "gotify", "apprise", "json"], Takes("ntfy, gotify, apprise or json", "ntfy")
    ] = Field(default="ntfy", description="How the server at that address wants it.")
    token_file: Annotated[FolderPath | None, Takes("the path of a file", "/etc/colorwatch/token")] = Field(
        default=None, description="A file with the token that this server asks for; nobody else should read it."
    )
    on: Annotated[
        tuple[Kind, ...],
        Takes(f"a list of {', '.join(KINDS)}", f"[{', '.join(KINDS)}]"),
    ] = Field(
        default=KINDS,
        description="What is worth a notice: a scan in quarantine, an inbox that cannot be seen, trouble with a disk, "
        "a stop that nobody asked for, and once a day what was done.",
    )
    digest_at: Annotated[str, Takes("a time as HH:MM in quotes", '"19:00"')] = Field(
        default="",
        pattern=r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="When to tell what was done that day. Without this line: never.",
    )
    most_per_hour: Annotated[int, Takes("a whole number from 1 to 1000", "10")] = Field(
        default=10, ge=1, le=1000, description="What goes beyond is gathered into one notice."
    )


class Metrics(Strict):
    """Figures for Prometheus; needs the package prometheus-client."""

    port: Annotated[int, Takes("a whole number from 0 to 65535", "0")] = Field(
        default=0,
        ge=0,
        le=65535,
        description="The port on 127.0.0.1 at which /metrics and /healthz answer, for example 9107. 0: none.",
    )
    textfile: Annotated[FolderPath | None, Takes("the path of a file", "/var/lib/colorwatch/colorwatch.prom")] = Field(
        default=None,
        description="A file that is written anew every 15 seconds, for the node exporter's textfile reader.",
    )
