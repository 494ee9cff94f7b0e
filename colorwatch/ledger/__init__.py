"""The ledger: what was done and what is to be done, in one SQLite file, and the truth after any crash."""

from colorwatch.ledger.jobs import UNFINISHED, Ledger

__all__ = ["UNFINISHED", "Ledger"]
