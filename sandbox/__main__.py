"""`python -m sandbox serve DIRECTORY`: the emulator's process, started by `Sandbox.start`."""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.api.server import serve

_USAGE = "usage: python -m sandbox serve DIRECTORY"


def main(arguments: list[str]) -> int:
    """Run the command. Returns the exit status."""
    match arguments:
        case ["serve", directory]:
            return serve(Path(directory))
        case _:
            print(_USAGE, file=sys.stderr)  # noqa: T201  # this is a command
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
