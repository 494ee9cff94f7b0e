"""`python -m colorwatch.cli`: the same as the command `colorwatch`."""

from colorwatch.cli import main

main()
