"""The certificates of one environment, on disk.

A server certificate names the machine's address, which nobody knows before the machine has one,
yet Terraform has to know while it plans whether a new certificate is due. So there are two steps:

1. At synthesis, `Pki.ensure` makes the certificate authority (once, for ever), the client's
   certificate, the server's private key and a *request*: which key, which CA, which lifetime. The
   request's fingerprint is the trigger of the provisioning, and changes only on renewal.
2. During apply, `python -m constructs_lib.identity.issue` issues what the request says for
   the address.

    pki/ca.pem ca-key.pem           the certificate authority
    pki/server-key.pem              the server's private key
    pki/server-request.json         what the server certificate will be
    pki/server.pem                  the server certificate, once issued
    certificates/ca.pem cert.pem key.pem    the client's: the folder for DOCKER_CERT_PATH

Files that do not fit together are an error which names the file. The CA is never made anew by
itself: it is part of the machine's user data, so a new one replaces the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from constructs_lib.files.private_file import write_private, write_public
from constructs_lib.identity.certificate_authority import (
    CertificateAuthority,
    Clock,
    generate_private_key,
    public_key_fingerprint,
    utc_now,
)
from constructs_lib.identity.certificate_name import parse_name
from constructs_lib.identity.pem import certificate_pem, private_key_pem
from constructs_lib.identity.pki_files import PkiError, PkiFiles, missing, read
from constructs_lib.identity.server_request import ServerRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

RENEW_BEFORE: Final = timedelta(days=30)
"""A certificate with less than this left is renewed at synthesis."""

SERVER_NAMES: Final = ("localhost", "127.0.0.1")
"""Further names of the server: for checks on the machine itself, and through an SSH tunnel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki(PkiFiles):
    """The certificates of one environment: made, renewed, issued.

    Attributes:
        clock: Returns the time, aware and in UTC.
        name: What the certificates' common names begin with, 1 to 40 characters.
        read_only: Write nothing, and need no private key: what is missing or due is an error.
    """

    clock: Clock = field(default=utc_now, repr=False)
    name: str = "moor"
    read_only: bool = False

    @property
    def ca_certificate(self) -> str:
        """The CA's certificate as PEM, after `ensure`.

        Raises:
            PkiError: It is missing or damaged.
        """
        certificate = self.read_certificate(self.ca_file, self.start_over)
        return certificate_pem(certificate).decode("ascii")

    @property
    def request_fingerprint(self) -> str:
        """What changes when, and only when, another server certificate is due, after `ensure`.

        Raises:
            PkiError: The request is missing or damaged.
        """
        return self._request().fingerprint

    def ensure(self) -> None:
        """Bring everything that does not depend on the address into being, and up to date.

        Safe to call at once from several processes, and again after one was interrupted.
        Nothing that is good for another 30 days is touched.

        Raises:
            PkiError: Files do not fit together, are damaged, may be read by others, or the CA
                has expired; in read-only mode also: something is missing or due.
        """
        if self.read_only:
            self._check_read_only()
            return
        with self.locked():
            authority = self._ensure_authority()
            self._ensure_client(authority)
            self._ensure_server(authority)

    def issue_server_certificate(self, address: str) -> Path:
        """Issue the server certificate that the request describes, for an address.

        The same address and request again change nothing.

        Args:
            address: The IP address, or the DNS name, under which clients reach the server.

        Returns:
            The certificate's file.

        Raises:
            PkiError: `ensure` has not run, the request has expired, or files do not fit.
            ValueError: The address is neither an address nor a DNS name.
        """
        if self.read_only:
            raise PkiError(
                f"{self.server_certificate_file}: must be issued in a PKI that may be written, "
                "got a read-only one"
            )
        names = [parse_name(name) for name in dict.fromkeys((address, *self._request().names))]
        with self.locked():
            if not self.ca_key_file.exists():
                raise missing(self.ca_key_file, self.start_over)
            authority = self._load_authority()
            request = self._request()
            key = self._server_key(request, authority)
            now = self.clock()
            if now >= request.not_after:
                raise PkiError(
                    f"{self.server_request_file}: not_after: must lie ahead, got "
                    f"{request.not_after:%F}; synthesise again, which renews it"
                )
            current = self._server_certificate(key, authority)
            if current is None or not _is_issued(current, names, request):
                issued = authority.issue_server(
                    [str(name.value) for name in names],
                    public_key=key.public_key(),
                    lifetime=(request.not_before, request.not_after),
                )
                write_public(self.server_certificate_file, issued.certificate_pem)
        return self.server_certificate_file

    # The certificate authority

    def _ensure_authority(self) -> CertificateAuthority:
        if not self.ca_file.exists():
            self._create_authority()
        elif not self.ca_key_file.exists():
            raise missing(self.ca_key_file, self.start_over)
        authority = self._load_authority()
        if not self.client_ca_file.exists():
            write_public(self.client_ca_file, authority.certificate_pem)
        elif self.read_certificate(self.client_ca_file, self.remove_copy) != authority.certificate:
            raise PkiError(
                f"{self.client_ca_file}: certificate: must be the one in {self.ca_file}, "
                f"got another; {self.remove_copy}"
            )
        return authority

    def _create_authority(self) -> None:
        # Traces of an earlier CA mean that its certificate was lost, not that there was none.
        for trace in (
            self.server_request_file,
            self.server_certificate_file,
            self.client_ca_file,
            self.client_certificate_file,
        ):
            if trace.exists():
                raise PkiError(
                    f"{self.ca_file}: certificate: must exist beside {trace}, got no such file; "
                    f"{self.start_over}"
                )
        if not self.ca_key_file.exists():
            write_private(self.ca_key_file, private_key_pem(generate_private_key()))
        # Else a run was interrupted here: nothing was signed yet, so the key is as good as new.
        authority = CertificateAuthority.create(
            f"{self.name} certificate authority",
            clock=self.clock,
            private_key=self.read_private_key(self.ca_key_file, self.start_over),
        )
        write_public(self.ca_file, authority.certificate_pem)

    def _load_authority(self) -> CertificateAuthority:
        self._check_ca()
        # Each by itself first, so that an error names the right file.
        certificate = read(self.ca_file, self.start_over)
        self.read_private_key(self.ca_key_file, self.start_over)
        try:
            return CertificateAuthority.load(
                certificate=certificate,
                private_key=read(self.ca_key_file, self.start_over),
                clock=self.clock,
            )
        except ValueError as error:
            file = self.ca_key_file if str(error).startswith("private key") else self.ca_file
            raise PkiError(f"{file}: {error}; {self.start_over}") from error

    def _check_ca(self) -> x509.Certificate:
        certificate = self.read_certificate(self.ca_file, self.start_over)
        now = self.clock()
        if now >= certificate.not_valid_after_utc:
            raise PkiError(
                f"{self.ca_file}: certificate: must be valid now, got expired on "
                f"{certificate.not_valid_after_utc:%F}; {self.remove_all}"
            )
        if now < certificate.not_valid_before_utc:
            raise PkiError(
                f"{self.ca_file}: certificate: must be valid now ({now:%F}), got valid from "
                f"{certificate.not_valid_before_utc:%F}; set this computer's clock"
            )
        return certificate

    # The client

    def _ensure_client(self, authority: CertificateAuthority) -> None:
        remedy = f"remove {self.client_certificate_file} and {self.client_key_file} for new ones"
        if not self.client_key_file.exists():
            if self.client_certificate_file.exists():
                raise missing(self.client_key_file, remedy)
            write_private(self.client_key_file, private_key_pem(generate_private_key()))
        key = self.read_private_key(self.client_key_file, remedy)
        if self.client_certificate_file.exists():
            current = self.read_leaf(
                self.client_certificate_file, key, authority.certificate, remedy
            )
            if not self._due(current.not_valid_after_utc, authority.certificate):
                return
        # The key stays on renewal: only one file changes, so there is no moment at which a
        # client finds a certificate and a key that do not match.
        issued = authority.issue_client(f"{self.name} client", public_key=key.public_key())
        write_public(self.client_certificate_file, issued.certificate_pem)

    # The server

    def _ensure_server(self, authority: CertificateAuthority) -> None:
        if not self.server_key_file.exists():
            if self.server_request_file.exists():
                raise missing(self.server_key_file, self.new_server)
            write_private(self.server_key_file, private_key_pem(generate_private_key()))
        if self.server_request_file.exists():
            request = self._request()
            key = self._server_key(request, authority)
            self._server_certificate(key, authority)
            if not self._due(request.not_after, authority.certificate):
                return
        key = self.read_private_key(self.server_key_file, self.new_server)
        start, end = authority.leaf_lifetime()
        request = ServerRequest(
            authority=_fingerprint(authority.certificate),
            public_key=public_key_fingerprint(key.public_key()),
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

    def _server_key(
        self, request: ServerRequest, authority: CertificateAuthority
    ) -> ec.EllipticCurvePrivateKey:
        self._check_request(request, authority.certificate)
        key = self.read_private_key(self.server_key_file, self.new_server)
        if request.public_key != public_key_fingerprint(key.public_key()):
            raise PkiError(
                f"{self.server_key_file}: private key: must be the one of "
                f"{self.server_request_file.name}, got another; {self.new_server}"
            )
        return key

    def _check_request(self, request: ServerRequest, authority: x509.Certificate) -> None:
        if request.authority != _fingerprint(authority):
            raise PkiError(
                f"{self.server_request_file}: authority_sha256: must be that of "
                f"{self.ca_file.name}, got another; {self.new_server}"
            )

    def _server_certificate(
        self, key: ec.EllipticCurvePrivateKey, authority: CertificateAuthority
    ) -> x509.Certificate | None:
        file = self.server_certificate_file
        if not file.exists():
            return None
        return self.read_leaf(
            file, key, authority.certificate, f"remove {file}, the next deployment issues it anew"
        )

    # Reading

    def _check_read_only(self) -> None:
        authority = self._check_ca()
        request = self._request()
        self._check_request(request, authority)
        if self._due(request.not_after, authority):
            raise PkiError(
                f"{self.server_request_file}: not_after: must be {RENEW_BEFORE.days} days ahead, "
                f"got {request.not_after:%F} in a read-only PKI; "
                "renew it where it may be written"
            )

    def _due(self, end: datetime, authority: x509.Certificate) -> bool:
        # At the end of the CA's own life renewing would gain nothing, and never end.
        return self.clock() > end - RENEW_BEFORE and end < authority.not_valid_after_utc


def _is_issued(
    certificate: x509.Certificate,
    names: Sequence[x509.IPAddress | x509.DNSName],
    request: ServerRequest,
) -> bool:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return (
        list(found.value) == list(names)
        and certificate.not_valid_before_utc == request.not_before
        and certificate.not_valid_after_utc == request.not_after
    )


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()
