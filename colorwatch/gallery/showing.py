"""A finished scan on its way into the gallery."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from colorwatch.disk.beneath import folder_beneath
from colorwatch.disk.names import SPOOL
from colorwatch.gallery.entry import Entry, link, link_nearby
from colorwatch.gallery.pages import Gallery
from colorwatch.scan import printable

if TYPE_CHECKING:
    from colorwatch.folders.commands import Show
    from colorwatch.folders.messages import FolderSettings


def show(gallery: Gallery, settings: FolderSettings, command: Show) -> None:
    """Adds what the command tells of; its thumbnail leaves the spool. Asked again nothing changes. Raises OSError."""
    thumb = ""
    if command.spool:
        with folder_beneath(settings.outbox, SPOOL) as spool:
            try:
                thumb = gallery.keep_thumb(command.job_id, spool, os.path.basename(command.spool))
            except FileNotFoundError:  # moved already, by the same command before a kill
                thumb = gallery.thumb_name(command.job_id)
    gallery.show(
        Entry(
            job=command.job_id,
            when=command.when,
            folder=printable(settings.name),
            name=printable(command.path),
            result=link(gallery.root, os.path.join(settings.outbox, command.output)) if command.output else "",
            original=link_nearby(gallery.root, command.original) if command.original else "",
            model=printable(command.model),
            flags=(),
            width=command.width,
            height=command.height,
            thumb=thumb,
            thumb_width=command.thumb_width,
            thumb_height=command.thumb_height,
        )
    )
