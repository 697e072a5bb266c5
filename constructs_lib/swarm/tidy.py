"""The step that removes nodes nobody wants any more: `python -m constructs_lib.swarm.tidy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.files.lock import exclusive_lock
from constructs_lib.swarm.managers import answering
from constructs_lib.swarm.operations import tidy
from constructs_lib.swarm.words import folders, join_lock, managers, parser_of, say, status_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Remove from the swarm what is down, and not in the list.

    Args:
        arguments: The command line; that of the process where unset.

    Returns:
        0, or 1 after an error, which is printed.
    """
    parser = parser_of("constructs_lib.swarm.tidy", "Remove nodes that nobody wants any more.")
    parser.add_argument(
        "--keep", action="append", required=True, metavar="NAME", help="a node that there should be"
    )
    options = parser.parse_args(arguments)

    def remove() -> None:
        with exclusive_lock(join_lock(options.pki)):
            manager = answering(managers(options), folders(options))
            with manager.engine() as engine:
                for name in tidy(engine, options.keep):
                    say(f"{name}: removed from the swarm")

    return status_of("swarm", remove)


if __name__ == "__main__":
    raise SystemExit(main())
