"""The files of a PKI: where they are, how they are read, and what to do about a bad one.

An error names the file and the remedy, which depends on the file: a damaged copy is made anew, and
what is lost is rotated.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from constructs_lib.files.lock import exclusive_lock
from constructs_lib.files.private_file import check_private
from constructs_lib.identity.certificate_authority import same_public_key
from constructs_lib.identity.pem import load_certificate, load_private_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

INSTALLED: Final = ("ca.pem", "server.pem", "clients.pem")
"""What goes to the machine: the authority, its certificate, and the clients that it answers."""


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
    def next_dir(self) -> Path:
        """What was prepared, and takes the others' place once it is installed; see `Pki`."""
        return self.pki_dir / "next"

    @property
    def people_dir(self) -> Path:
        """The certificates of those with whom the access is shared, `NAME.pem`."""
        return self.pki_dir / "people"

    @property
    def install_dir(self) -> Path:
        """What is installed on the machine: nothing of it is secret."""
        return self.pki_dir / "install"

    def install_dir_of(self, node: str | None) -> Path:
        """What is installed on one machine of several, which are provisioned side by side.

        Args:
            node: The machine's name in the settings; None where there is one machine only.
        """
        return self.install_dir if node is None else self.install_dir / node

    def service_dir(self, name: str) -> Path:
        """The certificate and key of a service of our own, `cert.pem` and `key.pem`.

        Args:
            name: Its DNS name.
        """
        return self.pki_dir / "services" / name

    @property
    def clients_file(self) -> Path:
        """The certificates of all clients that the API answers."""
        return self.pki_dir / "clients.pem"

    @property
    def server_request_file(self) -> Path:
        """What the server certificate will be."""
        return self.pki_dir / "server-request.json"

    @property
    def former_server_key_file(self) -> Path:
        """Where the version before kept the server's private key, which the machine now makes."""
        return self.pki_dir / "server-key.pem"

    @property
    def is_prepared(self) -> bool:
        """Whether something waits to take the others' place."""
        return self.next_dir.is_dir()

    @property
    def ca_file(self) -> Path:
        """The CA's certificate; the one that comes next, where one was prepared."""
        return (self.next_dir if self.is_prepared else self.pki_dir) / "ca.pem"

    @property
    def ca_key_file(self) -> Path:
        """The CA's private key; likewise."""
        return (self.next_dir if self.is_prepared else self.pki_dir) / "ca-key.pem"

    @property
    def client_dir(self) -> Path:
        """The client's folder with `ca.pem`, `cert.pem` and `key.pem`; likewise."""
        return self.next_dir if self.is_prepared else self.certificates_dir

    @property
    def client_certificate_file(self) -> Path:
        """The client's certificate; likewise."""
        return self.client_dir / "cert.pem"

    @property
    def client_key_file(self) -> Path:
        """The client's private key; likewise."""
        return self.client_dir / "key.pem"

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

    def read_client(self) -> x509.Certificate:
        """Read the client's certificate, and check that it belongs to its key.

        Raises:
            PkiError: One of them is missing or damaged, or they do not belong together.
        """
        file = self.client_certificate_file
        certificate = self.read_certificate(file, self.new_client)
        key = self.read_private_key(self.client_key_file, self.new_client)
        if not same_public_key(certificate, key.public_key()):
            raise PkiError(
                f"{file}: certificate: must belong to the private key beside it, "
                f"got another key's; {self.new_client}"
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
    def new_authority(self) -> str:
        """The remedy where the CA is lost or damaged."""
        return "restore it from a backup, or run: moor certs rotate authority"

    @property
    def new_client(self) -> str:
        """The remedy where the client's certificate or key is lost or damaged."""
        return "restore it from a backup, or run: moor certs rotate client"

    @property
    def new_server(self) -> str:
        """The remedy where the request for the server's certificate cannot be used."""
        return "run: moor certs rotate server"


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
