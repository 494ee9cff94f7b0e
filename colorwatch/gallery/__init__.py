"""The static before/after pages in an outbox: files that open from a share with a double click, without a server."""

from colorwatch.gallery.entry import Entry
from colorwatch.gallery.pages import Gallery
from colorwatch.gallery.showing import show

__all__ = ["Entry", "Gallery", "show"]
