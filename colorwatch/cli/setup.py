"""Commands for the one who sets colorwatch up: a first config, its schema for editors, a unit for systemd."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer
import yaml
from rich.text import Text

from colorwatch.cli.terminal import DEFAULT_CONFIG, ConfigOption, err, out, safe
from colorwatch.config import Config, load
from colorwatch.errors import ConfigError, Exit
from colorwatch.scan import Originals, printable
from colorwatch.units import knows_notify_reload, remove_units, write_units

_HEAD = """\
# The config of colorwatch. Every key is explained in config.example.yaml and in the README;
# after a change: colorwatch check-config --config FILE, and then systemctl reload colorwatch.
"""


def init(
    config: Annotated[
        str, typer.Option("--config", "-c", envvar="COLORWATCH_CONFIG", metavar="FILE", help="The config to write.")
    ] = "config.yaml",
    inbox: Annotated[str, typer.Option(help="Where scans arrive.", prompt="Where do the scans arrive")] = "./inbox",
    outbox: Annotated[
        str, typer.Option(help="Where results appear.", prompt="Where shall the coloured ones appear")
    ] = "./outbox",
    originals: Annotated[
        Originals, typer.Option(help="What becomes of scans that are done.", prompt="What becomes of the originals")
    ] = Originals.KEEP,
    state: Annotated[
        str,
        typer.Option(help="Where colorwatch remembers what it did.", prompt="Where may it keep what it remembers"),
    ] = "./state",
    gallery: Annotated[
        bool | None,
        typer.Option(help="Whether the outbox gets a gallery of all results beside their scans. Asked, else yes."),
    ] = None,
) -> None:
    """Write a first config after a few questions, and make its folders."""
    if os.path.lexists(config):
        err.print(f"{safe(config)} is there already, and stays as it is; name another with --config", soft_wrap=True)
        raise typer.Exit(Exit.USAGE)
    base = os.path.dirname(os.path.abspath(config))
    if gallery is None:
        question = "Shall the outbox show all results beside their scans, in a gallery for any browser"
        gallery = not sys.stdin.isatty() or typer.confirm(question, default=True)
    folder: dict[str, str | bool] = {"inbox": inbox, "outbox": outbox, "originals": originals.value, "gallery": gallery}
    if originals is Originals.ARCHIVE:
        folder["archive"] = os.path.join(os.path.dirname(inbox.rstrip("/")) or ".", "archive")
    text = _HEAD + yaml.safe_dump({"folders": [folder], "state": state}, sort_keys=False, allow_unicode=True)
    for name in ("inbox", "outbox", "archive"):
        if name in folder:
            os.makedirs(os.path.join(base, os.path.expanduser(str(folder[name]))), exist_ok=True)
    with open(config, "x", encoding="utf-8") as file:
        file.write(text)
    try:
        load(config)
    except ConfigError:
        os.unlink(config)
        raise
    out.print(f"{safe(config)} is written. Next: colorwatch run --config {safe(config)}", soft_wrap=True)


InstanceOption = Annotated[
    str, typer.Option(metavar="NAME", help="One of several services, each with a config and a state of its own.")
]


def config_schema() -> None:
    """Print the JSON schema of the config, for editors that check and complete YAML."""
    schema = Config.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "The config of colorwatch"
    out.print_json(json.dumps(schema))


def install_service(
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    instance: InstanceOption = "",
    root: Annotated[str, typer.Option(help="Where to write; / but for tests and images.", hidden=True)] = "/",
) -> None:
    """Write systemd's unit for the config at hand: its folders, and the program that this is."""
    settings = load(config, check_folders=False)
    written = write_units(settings, os.path.abspath(config), root, dry_run, instance, knows_notify_reload())
    for path, text in written:
        if dry_run:
            out.print(Text(f"--- {printable(path)}"), soft_wrap=True)
            out.print(Text(text), soft_wrap=True)
        else:
            out.print(f"wrote {safe(path)}", soft_wrap=True)
    if not dry_run:
        name = f"colorwatch@{instance}" if instance else "colorwatch"
        next_ = f"sudo systemd-sysusers; sudo systemctl daemon-reload; sudo systemctl enable --now {name}"
        out.print(f"Next: {next_}", soft_wrap=True)


def uninstall_service(
    instance: InstanceOption = "",
    root: Annotated[str, typer.Option(help="Where it was written.", hidden=True)] = "/",
) -> None:
    """Remove what install-service wrote, and say what is left."""
    removed, left = remove_units(root, instance)
    for path in removed:
        out.print(f"removed {safe(path)}", soft_wrap=True)
    out.print("Left, for you to keep or delete:")
    for line in left:
        out.print(Text(f"  {line}"), soft_wrap=True)
