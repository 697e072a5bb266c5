"""How the programs of the steps are told where the nodes are."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from docker.errors import DockerException

from constructs_lib.identity.pki import Pki
from constructs_lib.swarm.errors import SwarmError, without_tokens
from constructs_lib.swarm.managers import NodeEndpoint, classify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def parser_of(module: str, description: str) -> argparse.ArgumentParser:
    """Return a parser that knows the managers, and the folders of certificates.

    Args:
        module: The program's module, as `python -m` takes it.
        description: What it does.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--port", type=int, required=True, help="TCP port of the Docker APIs")
    parser.add_argument("--certificates", type=Path, required=True, help="the client's folder")
    parser.add_argument("--pki", type=Path, required=True, help="the folder of the CA")
    parser.add_argument(
        "--manager",
        nargs=3,
        action="append",
        required=True,
        metavar=("NAME", "ADDRESS", "PRIVATE"),
        help="a manager: its name, where it is reached from here, and from other nodes",
    )
    return parser


def endpoint(words: Sequence[str], port: int) -> NodeEndpoint:
    """Return what three words name: `NAME ADDRESS PRIVATE`."""
    name, address, private = words
    return NodeEndpoint(name=name, address=address, private_address=private, port=port)


def managers(options: argparse.Namespace) -> list[NodeEndpoint]:
    """Return where the managers are."""
    return [endpoint(words, options.port) for words in options.manager]


def folders(options: argparse.Namespace) -> tuple[Path, Path]:
    """Return the folders of certificates to try, in this order."""
    pki = Pki(pki_dir=options.pki, certificates_dir=options.certificates)
    return pki.certificates_dir, pki.next_dir


def join_lock(pki: Path) -> Path:
    """Return the file whose lock lets one machine join at a time.

    Args:
        pki: The folder of the environment's certificate authority.
    """
    return pki.parent / "swarm" / "join.lock"


def say(line: str) -> None:
    """Print a line at once: Terraform shows it while the step runs."""
    print(line, flush=True)  # noqa: T201


def status_of(subject: str, action: Callable[[], None]) -> int:
    """Run the program's work.

    Args:
        subject: Whom an error is about where it does not say so itself.
        action: The work.

    Returns:
        The exit status: 0, or 1 after an error, which is printed.
    """
    try:
        action()
    except SwarmError as error:
        print(without_tokens(str(error)), file=sys.stderr)  # noqa: T201
        return 1
    except (DockerException, requests.RequestException, OSError) as error:
        print(f"{subject}: {classify(error)[1]}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
