"""A worker program that never becomes ready."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    print("there is no net here", file=sys.stderr)
    sys.exit(3)
