"""The certificates of one environment, on disk.

A server certificate names the machine's address, which nobody knows before the machine has one,
and its key, which the machine makes itself; yet Terraform has to know while it plans whether a new
certificate is due. So there are two steps:

1. At synthesis, `Pki.ensure` makes the certificate authority, the client's certificate, the list of
   clients and a *request*: which CA, which lifetime. The fingerprints of list and request are
   triggers of the provisioning, and change when, and only when, something is to be installed.
2. During apply, `constructs_lib.host.server_certificate` fetches the machine's own request and has
   the certificate issued for the address; the installation puts all of it into place.

    pki/ca.pem ca-key.pem           the certificate authority, of the server alone
    pki/server-request.json         what the server certificate will be
    pki/people/NAME.pem             the certificate of somebody with whom the access is shared
    pki/clients.pem                 all clients that the API answers: ours, and people's
    pki/install/                    what goes to the machine; of several to each its own, in NAME/
    pki/services/NAME/              the certificate and key of a service of our own
    pki/next/                       what comes next: ca.pem ca-key.pem cert.pem key.pem
    certificates/ca.pem cert.pem key.pem    the client's: the folder for DOCKER_CERT_PATH

A machine goes on with what it has until something else is installed on it. So does this computer:
what is renewed or rotated is made whole in `next/`, and everything new is derived from there, but
`certificates/` stays what it is. When the machine has been seen to answer the next client,
`Pki.take_over` puts it into its place; interrupted anywhere, the next deployment does it again.

Files that do not fit together are an error which names the file.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes

from constructs_lib.files.private_file import (
    make_private_directory,
    write_private,
    write_public,
)
from constructs_lib.identity.certificate_authority import (
    CertificateAuthority,
    Clock,
    generate_private_key,
    is_signed_by,
    issue_client,
    same_public_key,
    utc_now,
)
from constructs_lib.identity.certificate_name import parse_name
from constructs_lib.identity.pem import certificate_pem, load_request, private_key_pem
from constructs_lib.identity.pki_files import PkiError, PkiFiles, missing, read
from constructs_lib.identity.server_request import ServerRequest

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509

SERVER_NAMES: Final = ("localhost", "127.0.0.1")
"""Further names of the server: for checks on the machine itself, and through an SSH tunnel."""

_UNFINISHED: Final = ".unfinished-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki(PkiFiles):
    """The certificates of one environment: made, renewed, rotated, issued.

    Attributes:
        clock: Returns the time, aware and in UTC.
        name: What the certificates' common names begin with, 1 to 40 characters.
        read_only: Write nothing, and need no private key: what is missing or due is an error.
    """

    clock: Clock = field(default=utc_now, repr=False)
    name: str = "moor"
    read_only: bool = False

    @property
    def request_fingerprint(self) -> str:
        """What changes when, and only when, another server certificate is due, after `ensure`.

        Raises:
            PkiError: The request is missing or damaged.
        """
        return self._request().fingerprint

    @property
    def clients_fingerprint(self) -> str:
        """What changes when, and only when, the API is to answer other clients, after `ensure`.

        Raises:
            PkiError: The list of clients is missing.
        """
        digest = hashes.Hash(hashes.SHA256())
        digest.update(read(self.clients_file, "synthesise first, which makes it"))
        return digest.finalize().hex()

    @property
    def withdrawn_client(self) -> Path | None:
        """The folder of the client that the machine must refuse once all is installed, if any."""
        current = self.certificates_dir / "cert.pem"
        if not self.is_prepared or not current.exists():
            return None
        if current.read_bytes() == self.client_certificate_file.read_bytes():
            return None
        return self.certificates_dir

    def ensure(self) -> None:
        """Bring everything that does not depend on the address into being, and up to date.

        Safe to call at once from several processes, and again after one was interrupted.
        Nothing is touched that has more than a third of its life left.

        Raises:
            PkiError: Files do not fit together, are damaged, or may be read by others; in
                read-only mode also: something is missing or due.
        """
        if self.read_only:
            self._check_read_only()
            return
        with self.locked():
            authority = self._ensure_authority()
            client = self._ensure_client()
            old_authority = self._is_due(authority.certificate)
            # In the version before, the authority signed the client's certificate.
            old_client = self._is_due(client) or not is_signed_by(client, client)
            if old_authority or old_client:
                self._prepare(authority=old_authority, client=old_client)
            self._ensure_request()
            self.write_clients()

    def rotate(
        self, *, client: bool = False, server: bool = False, authority: bool = False
    ) -> None:
        """Prepare new ones, which the next deployment puts into place of the old ones.

        Args:
            client: The client's certificate and key: the old ones are refused from then on.
            server: The server's certificate and key.
            authority: The server's authority, and with it its certificate and key.

        Raises:
            PkiError: What is not rotated is missing or damaged.
        """
        with self.locked():
            if client or authority:
                if self._is_new():
                    self._ensure_authority()
                    self._ensure_client()
                self._prepare(authority=authority, client=client)
            if server:
                self._write_request()
            self._ensure_request()
            self.write_clients()

    def issue_server_certificate(
        self, address: str, machines_request: bytes, *, node: str | None = None
    ) -> datetime:
        """Issue the server certificate for an address and a machine's key, to be installed.

        Args:
            address: The IP address, or the DNS name, under which clients reach the server.
            machines_request: The machine's request in PEM, signed by the machine's key. Nothing
                of it counts but the key: it says what it likes.
            node: The machine's name, where it is one of several. By the same certificate it is
                then known to the swarm's image registry. The Docker API of another machine is not
                opened by it: that takes clients from its list, and by no authority.

        Returns:
            When the certificate ends.

        Raises:
            PkiError: `ensure` has not run, the request has expired, or files do not fit.
            ValueError: The address is neither an address nor a DNS name, or the machine's
                request is none.
        """
        names = dict.fromkeys((address, *self._request().names))
        # The address first, so that one that is none is told as that.
        alternatives = [str(parse_name(name).value) for name in names]
        _, key = load_request(machines_request)
        with self.locked():
            authority, request = self._load_authority(), self._request()
            if self.clock() >= request.not_after or not self._is_of(request, authority):
                raise PkiError(
                    f"{self.server_request_file}: must be of {self.ca_file} and end later than "
                    f"now, got one of another authority or until {request.not_after:%F}; "
                    "synthesise again, which renews it"
                )
            issued = authority.issue_server(
                alternatives,
                public_key=key,
                lifetime=(request.not_before, request.not_after),
                also_client=node is not None,
            )
            folder = self.install_dir_of(node)
            write_public(folder / "ca.pem", authority.certificate_pem)
            write_public(folder / "server.pem", issued.certificate_pem)
            write_public(folder / "clients.pem", read(self.clients_file, self.new_client))
        return request.not_after

    def ensure_service_certificate(self, name: str) -> Path:
        """Bring the certificate and key of a service of our own into being, and up to date.

        Args:
            name: Its DNS name.

        Returns:
            The folder with `cert.pem` and `key.pem`.

        Raises:
            PkiError: `ensure` has not run, or files do not fit.
            ValueError: It is no DNS name.
        """
        folder = self.service_dir(name)
        certificate, key = folder / "cert.pem", folder / "key.pem"
        with self.locked():
            authority = self._load_authority()
            if certificate.exists() and key.exists():
                issued = self.read_certificate(certificate, self.new_server)
                own = self.read_private_key(key, self.new_server).public_key()
                if (
                    is_signed_by(issued, authority.certificate)
                    and same_public_key(issued, own)
                    and not self._is_due(issued)
                ):
                    return folder
            made = authority.issue_server([name])
            # A run that ends between these two leaves a pair that does not fit, and is made anew.
            write_private(key, made.private_key_pem)
            write_public(certificate, made.certificate_pem)
        return folder

    def take_over(self) -> None:
        """Put what was prepared into the others' place: every machine has it now.

        Raises:
            PkiError: A file cannot be read or written.
        """
        with self.locked():
            if self.is_prepared:
                after = self.next_dir
                for name, folder, write in (
                    ("ca-key.pem", self.pki_dir, write_private),
                    ("ca.pem", self.pki_dir, write_public),
                    ("ca.pem", self.certificates_dir, write_public),
                    ("key.pem", self.certificates_dir, write_private),
                    ("cert.pem", self.certificates_dir, write_public),
                ):
                    write(folder / name, read(after / name, self.new_client))
                # Renamed first: half a folder must not be taken for a whole one.
                gone = self.pki_dir / f"{_UNFINISHED}{secrets.token_hex(8)}"
                after.rename(gone)
                shutil.rmtree(gone)
            self.former_server_key_file.unlink(missing_ok=True)
            (self.pki_dir / "server.pem").unlink(missing_ok=True)

    def write_clients(self) -> None:
        """Write the list of clients, where it has changed. The lock must be held.

        Raises:
            PkiError: A certificate is damaged.
        """
        certificates = [("the operator", self.read_client()), *self.people().items()]
        content = b"".join(
            f"# {name}\n".encode() + certificate_pem(certificate)
            for name, certificate in certificates
        )
        if not self.clients_file.exists() or self.clients_file.read_bytes() != content:
            write_public(self.clients_file, content)

    def people(self) -> dict[str, x509.Certificate]:
        """Return the certificates of those with whom the access is shared, by their names.

        Raises:
            PkiError: A certificate is damaged.
        """
        return {
            file.stem: self.read_certificate(file, f"run: moor unshare {file.stem}")
            for file in sorted(self.people_dir.glob("*.pem"))
        }

    # The certificate authority

    def _is_new(self) -> bool:
        """Return whether nothing was ever made here."""
        return not self.is_prepared and not any(
            file.exists()
            for file in (
                self.ca_file,
                self.server_request_file,
                self.client_certificate_file,
                self.client_key_file,
            )
        )

    def _ensure_authority(self) -> CertificateAuthority:
        if not self.ca_file.exists():
            self._create_authority()
        elif not self.ca_key_file.exists():
            raise missing(self.ca_key_file, self.new_authority)
        authority = self._load_authority()
        copy = self.client_dir / "ca.pem"
        if not copy.exists() or copy.read_bytes() != authority.certificate_pem:
            write_public(copy, authority.certificate_pem)
        return authority

    def _create_authority(self) -> None:
        # Traces of an earlier CA mean that its certificate was lost, not that there was none.
        if not self._is_new():
            raise missing(self.ca_file, self.new_authority)
        if not self.ca_key_file.exists():
            write_private(self.ca_key_file, private_key_pem(generate_private_key()))
        # Else a run was interrupted here: nothing was signed yet, so the key is as good as new.
        authority = CertificateAuthority.create(
            self._authoritys_name,
            clock=self.clock,
            private_key=self.read_private_key(self.ca_key_file, self.new_authority),
        )
        write_public(self.ca_file, authority.certificate_pem)

    @property
    def _authoritys_name(self) -> str:
        return f"{self.name} certificate authority"

    def _load_authority(self) -> CertificateAuthority:
        self._check_ca()
        # Each by itself first, so that an error names the right file.
        certificate = read(self.ca_file, self.new_authority)
        self.read_private_key(self.ca_key_file, self.new_authority)
        try:
            return CertificateAuthority.load(
                certificate=certificate,
                private_key=read(self.ca_key_file, self.new_authority),
                clock=self.clock,
            )
        except ValueError as error:
            file = self.ca_key_file if str(error).startswith("private key") else self.ca_file
            raise PkiError(f"{file}: {error}; {self.new_authority}") from error

    def _check_ca(self) -> x509.Certificate:
        certificate = self.read_certificate(self.ca_file, self.new_authority)
        now = self.clock()
        if now < certificate.not_valid_before_utc:
            raise PkiError(
                f"{self.ca_file}: certificate: must be valid now ({now:%F}), got valid from "
                f"{certificate.not_valid_before_utc:%F}; set this computer's clock"
            )
        return certificate

    # The client

    def _ensure_client(self) -> x509.Certificate:
        certificate, key = self.client_certificate_file, self.client_key_file
        if certificate.exists() and not key.exists():
            raise missing(key, self.new_client)
        if not certificate.exists():
            # A key without a certificate is of a run that was interrupted here.
            issued = self._new_client()
            write_private(key, issued[1])
            write_public(certificate, issued[0])
        return self.read_client()

    def _new_client(self) -> tuple[bytes, bytes]:
        issued = issue_client(f"{self.name} client", clock=self.clock)
        return issued.certificate_pem, issued.private_key_pem

    # What comes next

    def _prepare(self, *, authority: bool, client: bool) -> None:
        """Make what comes next: new where it is asked for, and else what there is."""
        for left in self.pki_dir.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
        if authority:
            made = CertificateAuthority.create(self._authoritys_name, clock=self.clock)
            ca, ca_key = made.certificate_pem, made.private_key_pem
        else:
            ca = read(self.ca_file, self.new_authority)
            ca_key = read(self.ca_key_file, self.new_authority)
        if client:
            certificate, key = self._new_client()
        else:
            certificate = read(self.client_certificate_file, self.new_client)
            key = read(self.client_key_file, self.new_client)
        folder = self.pki_dir / f"{_UNFINISHED}{secrets.token_hex(8)}"
        make_private_directory(folder)
        for name, content in (
            ("ca.pem", ca), ("ca-key.pem", ca_key), ("cert.pem", certificate), ("key.pem", key),
        ):  # fmt: skip
            write_private(folder / name, content)
        if self.is_prepared:
            self.next_dir.rename(self.pki_dir / f"{_UNFINISHED}{secrets.token_hex(8)}")
        folder.rename(self.next_dir)
        for left in self.pki_dir.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)

    # The server

    def _ensure_request(self) -> None:
        """Make another request where there is none, or it is due or of another authority."""
        file = self.server_request_file
        if file.exists() and not ServerRequest.is_of_the_version_before(
            read(file, self.new_server).decode("utf-8", errors="replace")
        ):
            request = self._request()
            fits = self._is_of(request, self._load_authority())
            if fits and not self._is_over(request.not_before, request.not_after):
                return
        self._write_request()

    def _write_request(self) -> None:
        authority = self._load_authority()
        start, end = authority.leaf_lifetime()
        request = ServerRequest(
            authority=_fingerprint(authority.certificate),
            nonce=secrets.token_hex(16),
            names=SERVER_NAMES,
            not_before=start,
            not_after=end,
        )
        write_public(self.server_request_file, f"{request.to_json()}\n".encode())

    def _request(self) -> ServerRequest:
        text = read(self.server_request_file, "synthesise first, which makes it")
        try:
            return ServerRequest.from_json(text.decode("utf-8", errors="replace"))
        except ValueError as error:
            raise PkiError(f"{self.server_request_file}: {error}; {self.new_server}") from error

    @staticmethod
    def _is_of(request: ServerRequest, authority: CertificateAuthority) -> bool:
        return request.authority == _fingerprint(authority.certificate)

    # Reading

    def _check_read_only(self) -> None:
        authority = self._check_ca()
        request = self._request()
        if request.authority != _fingerprint(authority) or self._is_over(
            request.not_before, request.not_after
        ):
            raise PkiError(
                f"{self.server_request_file}: must be of {self.ca_file.name} and have a third of "
                f"its life left, got another or one until {request.not_after:%F} in a read-only "
                "PKI; renew it where it may be written"
            )

    def _is_due(self, certificate: x509.Certificate) -> bool:
        return self._is_over(certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    def _is_over(self, start: datetime, end: datetime) -> bool:
        """Return whether less than a third of a life is left."""
        return self.clock() > end - (end - start) / 3


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()
