"""Settings files for tests: the smallest one, and what a key file holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from constructs_lib.settings.settings import Settings

Load = Callable[[object], Settings]
"""Writes something as YAML, or as the text that it is, and loads it."""

Problems = Callable[[object], list[str]]
"""Loads something that must be refused; returns the problems without the file's name."""

OFFICE = "203.0.113.0/24"
A_NETWORK = "must be a network such as 203.0.113.0/24 (no bits set beyond the prefix)"


def document(**aws: object) -> dict[str, Any]:
    """Return the smallest settings, with further keys under `aws`."""
    return {
        "aws": {
            "region": "eu-central-1",
            "ssh": {"cidrs": [OFFICE]},
            "docker_api": {"cidrs": [OFFICE], "service_ports": [9200]},
            **aws,
        }
    }


def private_key(passphrase: bytes | None = None) -> bytes:
    """Make a private key of the kind that settings may name."""
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption(),
    )
