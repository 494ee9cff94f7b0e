"""Looks over a whole set-up as the user that colorwatch runs as, and says what to do about each thing that is wrong."""

from colorwatch.doctor.finding import Finding, Level
from colorwatch.doctor.visit import examine

__all__ = ["Finding", "Level", "examine"]
