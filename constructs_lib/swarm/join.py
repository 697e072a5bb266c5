"""The step that makes one machine a member of the swarm: `python -m constructs_lib.swarm.join`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.swarm.membership import Joining
from constructs_lib.swarm.node import SwarmNode
from constructs_lib.swarm.words import (
    endpoint,
    folders,
    join_lock,
    managers,
    parser_of,
    say,
    status_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a machine a member.

    Args:
        arguments: The command line; that of the process where unset.

    Returns:
        0, or 1 after an error, which is printed.
    """
    parser = parser_of("constructs_lib.swarm.join", "Make a machine a member of the swarm.")
    parser.add_argument(
        "--node",
        nargs=3,
        required=True,
        metavar=("NAME", "ADDRESS", "PRIVATE"),
        help="the machine: its name, where it is reached from here, and from other nodes",
    )
    parser.add_argument("--role", choices=["manager", "worker"], required=True)
    parser.add_argument(
        "--label", action="append", default=[], metavar="NAME=VALUE", help="a label for placement"
    )
    options = parser.parse_args(arguments)
    here = endpoint(options.node, options.port)
    labels = dict(text.partition("=")[::2] for text in options.label)
    joining = Joining(
        managers=managers(options),
        certificates=folders(options),
        lock=join_lock(options.pki),
        report=say,
    )

    def ensure() -> None:
        node = SwarmNode(name=here.name, is_manager=options.role == "manager", labels=labels)
        joining.ensure(node, here)

    return status_of(str(here), ensure)


if __name__ == "__main__":
    raise SystemExit(main())
