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


def show(gallery: Gallery, settings: FolderSettings, command: Show) -> bool:
    """Adds what the command tells of; its thumbnails leave the spool. Asked again nothing changes. Raises OSError.

    True where pictures that were shown before are missing.
    """
    missing = gallery.ready(command.ledger)
    thumb = _kept(gallery, settings, "thumbs", command.job_id, command.spool)
    view = _kept(gallery, settings, "views", command.job_id, command.view)
    folder, name = os.path.split(command.path)
    gallery.show(
        Entry(
            job=command.job_id,
            when=command.when,
            made=command.made,
            folder=printable(folder),
            name=printable(name),
            result=link(gallery.root, os.path.join(settings.outbox, command.output)) if command.output else "",
            original=link_nearby(gallery.root, command.original) if command.original else "",
            model=printable(command.model),
            flags=command.flags,
            pages=command.pages,
            width=command.width,
            height=command.height,
            thumb=thumb,
            thumb_width=command.thumb_width,
            thumb_height=command.thumb_height,
            view=view,
            view_width=command.view_width,
            view_height=command.view_height,
        )
    )
    return missing


def _kept(gallery: Gallery, settings: FolderSettings, kind: str, job: int, spooled: str) -> str:
    """The link of a picture, moved out of the spool; "" for none."""
    if not spooled:
        return ""
    with folder_beneath(settings.outbox, SPOOL) as spool:
        try:
            return gallery.keep_picture(kind, job, spool, os.path.basename(spooled))
        except FileNotFoundError:  # moved already, by the same command before a kill
            return gallery.picture_name(kind, job)
