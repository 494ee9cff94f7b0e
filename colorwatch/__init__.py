"""Watches folders for black-and-white scans and puts coloured copies into an outbox."""

__version__ = "0.1.0"
