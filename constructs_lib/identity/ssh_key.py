"""SSH keys: one made for an environment, and the check of a key that a user brings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from constructs_lib.files.lock import exclusive_lock
from constructs_lib.files.private_file import check_private, write_private, write_public

if TYPE_CHECKING:
    from pathlib import Path

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

RSA_MINIMUM_BITS: Final = 2048

_ACCEPTED: Final = (
    f"an Ed25519, ECDSA (P-256, P-384, P-521) or RSA ({RSA_MINIMUM_BITS} bits or more) private key"
)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
# A key of 16384 bits takes 13 kB; nobody has to read a disk image into memory to refuse it.
_LARGEST_FILE: Final = 64 * 1024
_ENCRYPTED_PEM: Final = (b"-----BEGIN ENCRYPTED " + b"PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


def ensure_key_pair(private_key_file: Path, *, comment: str) -> str:
    """Return the environment's Ed25519 key pair, which is made on the first call.

    The public key lies beside the private one, with `.pub` added to its name. An existing
    private key is never replaced: the machine knows only its public half.

    Args:
        private_key_file: Where the private key is or will be (OpenSSH format, mode 0600).
        comment: What stands behind the public key, such as `moor-production`: one line.

    Returns:
        The public key as one line, `ssh-ed25519 AAAA… comment`, without a newline.

    Raises:
        ValueError: The comment is not one line, the private key is not usable as
            `check_private_key_file` says, or the public key beside it is of another key.
    """
    if not comment.isprintable() or comment != comment.strip():
        raise ValueError(f"ssh key comment: must be one line without edge spaces, got {comment!r}")
    public_key_file = private_key_file.with_name(private_key_file.name + ".pub")
    with exclusive_lock(private_key_file.with_name(f".{private_key_file.name}.lock")):
        if not private_key_file.exists():
            if public_key_file.exists():
                raise ValueError(
                    f"{private_key_file}: private key: must exist beside {public_key_file.name}, "
                    f"got no such file; restore it, or remove {public_key_file} for a new pair, "
                    "which replaces the machine"
                )
            write_private(private_key_file, _serialize(ed25519.Ed25519PrivateKey.generate()))
        # From here on the same for a new key and an old one: a run that was interrupted
        # between the two files is completed by the next.
        public = _public_line(_load(private_key_file))
        if public_key_file.exists():
            recorded = public_key_file.read_text(encoding="utf-8").split()
            if recorded[:2] != public.split():
                raise ValueError(
                    f"{public_key_file}: public key: must belong to {private_key_file.name}, "
                    f"got another key; remove {public_key_file}, it is then written anew"
                )
        line = f"{public} {comment}".strip()
        content = f"{line}\n".encode()
        if not public_key_file.exists() or public_key_file.read_bytes() != content:
            write_public(public_key_file, content)
    return line


def check_private_key_file(path: Path) -> None:
    """Check that Terraform can log in with a private key, before it tries for minutes.

    Terraform's provisioners read the file themselves, with Go's SSH library: no agent, no
    prompt for a passphrase, no keys in hardware.

    Args:
        path: The private key's file; a symbolic link is followed.

    Raises:
        ValueError: The file is missing, is not a regular file, may be read by others, is
            protected by a passphrase, or holds no key of an accepted kind: Ed25519, ECDSA
            (P-256, P-384, P-521) or RSA of 2048 bits or more, in OpenSSH or PEM format.

    Source: golang.org/x/crypto/ssh, ParseRawPrivateKey.
    """
    _load(path)


def _load(path: Path) -> PrivateKey:
    data = _read(path)
    key = _parse(path, data)
    if isinstance(key, ec.EllipticCurvePrivateKey) and not isinstance(key.curve, _CURVES):
        raise _not_accepted(path, f"ECDSA on {key.curve.name}")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < RSA_MINIMUM_BITS:
        raise _not_accepted(path, f"RSA of {key.key_size} bits")
    if not isinstance(
        key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    ):
        raise _not_accepted(path, type(key).__name__.removesuffix("PrivateKey"))
    return key


def _read(path: Path) -> bytes:
    try:
        check_private(path)
        if path.stat().st_size > _LARGEST_FILE:
            raise _not_accepted(path, f"a file of {path.stat().st_size} bytes")
        return path.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ValueError(
            f"{path}: private key: must be a readable file, got {reason}; "
            "give the path of the private key"
        ) from error


def _parse(path: Path, data: bytes) -> object:
    if any(mark in data for mark in _ENCRYPTED_PEM):
        raise _has_passphrase(path)
    if data.startswith(b"PuTTY-User-Key-File"):
        raise ValueError(
            f"{path}: private key: must be in OpenSSH or PEM format, got PuTTY's; "
            f"puttygen {path} -O private-openssh -o {path}.pem"
        )
    if data.startswith((b"ssh-", b"ecdsa-", b"sk-")):
        raise ValueError(
            f"{path}: private key: must be a private key, got a public one; "
            "give the file without .pub"
        )
    openssh = b"-----BEGIN OPENSSH " in data
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        return load(data, password=None)
    except TypeError as error:
        # What the library raises for a missing password.
        raise _has_passphrase(path) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        # The library's text is dropped on purpose: it may quote what it could not read.
        raise _not_accepted(path, "something else") from error


def _has_passphrase(path: Path) -> ValueError:
    return ValueError(
        f"{path}: private key: must have no passphrase, got an encrypted key; "
        f"ssh-keygen -p -f {path} removes it, or give a key made for this purpose"
    )


def _not_accepted(path: Path, got: str) -> ValueError:
    return ValueError(
        f"{path}: private key: must be {_ACCEPTED} in OpenSSH or PEM format, got {got}; "
        "ssh-keygen -t ed25519 makes one"
    )


def _serialize(key: ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )


def _public_line(key: PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode("ascii")
    )
