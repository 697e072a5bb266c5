"""Where a machine's Docker API is: for constructs, and for the programs that their steps start."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from constructs_lib.terraform.literal import Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerEndpoint:
    """Where the machine's Docker API is, for the steps of a deployment.

    Attributes:
        host: The machine's address, which may be a token.
        port: TCP port of the API.
        certificates: The folder with `ca.pem`, `cert.pem` and `key.pem`.
        machine: What tells this machine from the one before it, which had the same address (a
            token). It is a trigger of every step whose result lies on the machine's disk: a
            machine that was replaced has neither images nor files. None where the machine is not
            ours.
    """

    host: str
    port: int
    certificates: Path
    machine: Expression | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What tells it to a program, as `parser_of` reads it."""
        certificates = str(self.certificates)
        return ("--host", self.host, "--port", str(self.port), "--certificates", certificates)


def parser_of(module: str) -> argparse.ArgumentParser:
    """Return the parser of a program that a step starts, which knows the words of an endpoint.

    Args:
        module: The program's module, as `python -m` takes it.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificates", type=Path, required=True)
    return parser
