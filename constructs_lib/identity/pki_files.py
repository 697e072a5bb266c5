"""The files of a PKI: where they are, how they are read, and what to do about a bad one.

An error names the file and the remedy, which depends on the file: a lost certificate authority
replaces the machine, a damaged copy is made anew.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.files.lock import exclusive_lock
from constructs_lib.files.private_file import check_private
from constructs_lib.identity.certificate_authority import is_signed_by, same_public_key
from constructs_lib.identity.pem import load_certificate, load_private_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec


class PkiError(ValueError):
    """The files of a PKI cannot be used as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PkiFiles:
    """The files of one environment's certificates.

    Attributes:
        pki_dir: The folder of the CA and the server, mode 0700.
        certificates_dir: The client's folder, laid out for `DOCKER_CERT_PATH`, mode 0700.
    """

    pki_dir: Path
    certificates_dir: Path

    @property
    def ca_file(self) -> Path:
        """The CA's certificate."""
        return self.pki_dir / "ca.pem"

    @property
    def ca_key_file(self) -> Path:
        """The CA's private key."""
        return self.pki_dir / "ca-key.pem"

    @property
    def server_key_file(self) -> Path:
        """The server's private key."""
        return self.pki_dir / "server-key.pem"

    @property
    def server_request_file(self) -> Path:
        """What the server certificate will be."""
        return self.pki_dir / "server-request.json"

    @property
    def server_certificate_file(self) -> Path:
        """The server certificate, once it is issued."""
        return self.pki_dir / "server.pem"

    @property
    def client_ca_file(self) -> Path:
        """The CA's certificate, where a client looks for it."""
        return self.certificates_dir / "ca.pem"

    @property
    def client_certificate_file(self) -> Path:
        """The client's certificate."""
        return self.certificates_dir / "cert.pem"

    @property
    def client_key_file(self) -> Path:
        """The client's private key."""
        return self.certificates_dir / "key.pem"

    def read_certificate(self, file: Path, remedy: str) -> x509.Certificate:
        """Read a file with one certificate.

        Args:
            file: The file.
            remedy: What to do about it when it cannot be used; the error says it.

        Raises:
            PkiError: It is missing or damaged.
        """
        try:
            return load_certificate(read(file, remedy))
        except PkiError:
            raise
        except ValueError as error:
            raise PkiError(f"{file}: {error}; {remedy}") from error

    def read_private_key(self, file: Path, remedy: str) -> ec.EllipticCurvePrivateKey:
        """Read a file with a private key.

        Args:
            file: The file.
            remedy: What to do about it when it cannot be used; the error says it.

        Raises:
            PkiError: It is missing or damaged, or may be read by others.
        """
        data = read(file, remedy)
        try:
            check_private(file)
        except ValueError as error:
            raise PkiError(str(error)) from error
        try:
            return load_private_key(data)
        except ValueError as error:
            raise PkiError(f"{file}: {error}; {remedy}") from error

    def read_leaf(
        self,
        file: Path,
        key: ec.EllipticCurvePrivateKey,
        authority: x509.Certificate,
        remedy: str,
    ) -> x509.Certificate:
        """Read a file with a server's or client's certificate, and check that it fits.

        Args:
            file: The file.
            key: The private key that the certificate must belong to.
            authority: The CA that must have signed it.
            remedy: What to do about it when it cannot be used; the error says it.

        Raises:
            PkiError: It is missing or damaged, or belongs to another key or another CA.
        """
        certificate = self.read_certificate(file, remedy)
        if not is_signed_by(certificate, authority):
            raise PkiError(
                f"{file}: certificate: must be signed by {self.ca_file}, "
                f"got one of another authority; {remedy}"
            )
        if not same_public_key(certificate, key.public_key()):
            raise PkiError(
                f"{file}: certificate: must belong to the private key beside it, "
                f"got another key's; {remedy}"
            )
        return certificate

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time change the files.

        Raises:
            PkiError: The lock, or a file that is read or written inside, is not to be had.
        """
        try:
            with exclusive_lock(self.pki_dir / ".lock"):
                yield
        except OSError as error:
            subject = error.filename or self.pki_dir
            raise PkiError(
                f"{subject}: must be readable and writable, got {_reason(error)}; "
                "see to its owner and mode"
            ) from error

    @property
    def start_over(self) -> str:
        """The remedy where the CA is lost or damaged."""
        return f"restore it from a backup, or {self.remove_all}"

    @property
    def remove_all(self) -> str:
        """The remedy where only a new CA helps."""
        return (
            f"remove {self.pki_dir} and {self.certificates_dir} for a new authority, "
            "which replaces the machine"
        )

    @property
    def new_server(self) -> str:
        """The remedy where the server's files do not fit together."""
        return (
            f"remove {self.server_key_file}, {self.server_request_file.name} and "
            f"{self.server_certificate_file.name} for new ones"
        )

    @property
    def remove_copy(self) -> str:
        """The remedy where the client's copy of the CA's certificate is another one."""
        return f"remove {self.client_ca_file}, it is then copied anew"


def read(file: Path, remedy: str) -> bytes:
    """Read a file.

    Args:
        file: The file.
        remedy: What to do about it when it is missing; the error says it.

    Raises:
        PkiError: It is missing or cannot be read.
    """
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise missing(file, remedy) from error
    except OSError as error:
        raise PkiError(
            f"{file}: must be a readable file, got {_reason(error)}; see to its owner and mode"
        ) from error


def missing(file: Path, remedy: str) -> PkiError:
    """Return the error that a file is missing.

    Args:
        file: The file.
        remedy: What to do about it.
    """
    return PkiError(f"{file}: must exist, got no such file; {remedy}")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
