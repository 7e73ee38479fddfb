"""The door of the inspector: `python -m deltafold`, or the command `deltafold`."""

from __future__ import annotations

import sys

from deltafold.inspector.command import BUILD, main

__all__ = ["BUILD", "main"]

if __name__ == "__main__":
    sys.exit(main())
