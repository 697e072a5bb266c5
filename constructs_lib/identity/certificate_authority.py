"""A small certificate authority for servers, and certificates for clients that need none.

A client's certificate is signed by its own key and by nobody else. The server has a list of those
that it answers, as sshd has one of public keys: what is taken off the list is refused, and no
authority could make another that it would answer.

Everything is EC P-256, which Go's TLS (dockerd, the Docker provider), OpenSSL and Python's `ssl`
all take. The clock is injected, so that lifetimes can be tested and reproduced.

Source: RFC 5280 (profile), RFC 6125 (names); manners of python-trio/trustme and FiloSottile/mkcert.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from constructs_lib.identity.certificate_name import parse_name
from constructs_lib.identity.pem import (
    certificate_pem,
    load_certificate,
    load_private_key,
    private_key_pem,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Clock = Callable[[], datetime]
"""Returns the time, aware and in UTC."""

CA_LIFETIME: Final = timedelta(days=3650)
LEAF_LIFETIME: Final = timedelta(days=397)
BACKDATE: Final = timedelta(hours=1)
"""How far before now a certificate begins: machines whose clock is a little slow accept it."""

_LONGEST_COMMON_NAME: Final = 64


def utc_now() -> datetime:
    """Return the time: the clock wherever no other is asked for."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate, with its private key where it was made here.

    Attributes:
        certificate: The certificate.
        private_key: Its private key; none where only a public key was given.
    """

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return certificate_pem(self.certificate)

    @property
    def private_key_pem(self) -> bytes:
        """The private key as PEM (PKCS #8, not encrypted).

        Raises:
            ValueError: The key was not made here.
        """
        if self.private_key is None:
            raise ValueError("certificate: private key: must have been made here, got none")
        return private_key_pem(self.private_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateAuthority:
    """A CA: its certificate, its private key and a clock.

    Attributes:
        certificate: The CA's own certificate.
        private_key: Its private key; not shown by `repr`.
        clock: Returns the time, aware and in UTC.
    """

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    clock: Clock = field(default=utc_now, repr=False)

    @classmethod
    def create(
        cls,
        common_name: str,
        *,
        clock: Clock = utc_now,
        private_key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Self:
        """Make a CA that is valid for ten years and can sign end certificates only.

        Args:
            common_name: Its name, 1 to 64 printable characters.
            clock: Returns the time, aware and in UTC.
            private_key: Its key; a new one where unset.

        Raises:
            ValueError: The name is not of that form.
        """
        subject = _subject(common_name)
        key = private_key or generate_private_key()
        start = _now(clock) - BACKDATE
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + CA_LIFETIME)
            # Path length 0: it cannot be used to make further CAs.
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(key_cert_sign=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        return cls(certificate=certificate, private_key=key, clock=clock)

    @classmethod
    def load(cls, *, certificate: bytes, private_key: bytes, clock: Clock = utc_now) -> Self:
        """Load a CA that `create` made.

        Args:
            certificate: Its certificate as PEM.
            private_key: Its private key as PEM, not encrypted.
            clock: Returns the time, aware and in UTC.

        Raises:
            ValueError: One of the two is not readable, they do not belong together, or the
                certificate is not a CA's. Says which, without a file's name.
        """
        loaded = load_certificate(certificate)
        key = load_private_key(private_key)
        if not same_public_key(loaded, key.public_key()):
            raise ValueError("private key: must belong to the certificate, got another key")
        if not is_authority(loaded):
            raise ValueError(
                "certificate: must be a certificate authority's, got an end certificate"
            )
        return cls(certificate=loaded, private_key=key, clock=clock)

    @property
    def certificate_pem(self) -> bytes:
        """The CA's certificate as PEM."""
        return certificate_pem(self.certificate)

    @property
    def private_key_pem(self) -> bytes:
        """The CA's private key as PEM (PKCS #8, not encrypted)."""
        return private_key_pem(self.private_key)

    def leaf_lifetime(self) -> tuple[datetime, datetime]:
        """Return the start and the end of a certificate that is issued now.

        It lasts 397 days, what browsers and Apple's TLS accept at most, and never longer than
        the CA itself.
        """
        start = max(_now(self.clock) - BACKDATE, self.certificate.not_valid_before_utc)
        return start, min(start + LEAF_LIFETIME, self.certificate.not_valid_after_utc)

    def issue_server(
        self,
        names: Sequence[str],
        *,
        public_key: ec.EllipticCurvePublicKey | None = None,
        lifetime: tuple[datetime, datetime] | None = None,
        also_client: bool = False,
    ) -> Issued:
        """Issue a certificate that a TLS server can use, and nobody else.

        Args:
            names: The addresses and DNS names of the server, one or more; the subject
                alternative names. The first is also the common name.
            public_key: The server's public key; a new key pair where unset.
            lifetime: Start and end; `leaf_lifetime` where unset.
            also_client: Whether the server proves itself with it to other servers, too.

        Raises:
            ValueError: A name is not an address or a DNS name, none is given, the CA has
                expired, or the lifetime is not one that this CA can give.
        """
        if not names:
            raise ValueError("server certificate: names: must be at least one, got none")
        alternatives = [parse_name(name) for name in names]
        self._check_valid()
        private_key = None
        if public_key is None:
            private_key = generate_private_key()
            public_key = private_key.public_key()
        builder = _leaf(
            _subject(str(alternatives[0].value)[:_LONGEST_COMMON_NAME]),
            issuer=self.certificate.subject,
            usages=[
                ExtendedKeyUsageOID.SERVER_AUTH,
                *([ExtendedKeyUsageOID.CLIENT_AUTH] if also_client else []),
            ],
            public_key=public_key,
            signed_by=self.private_key.public_key(),
            lifetime=self._check_lifetime(lifetime) if lifetime else self.leaf_lifetime(),
        ).add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self.private_key, hashes.SHA256())
        return Issued(certificate=certificate, private_key=private_key)

    def _check_valid(self) -> None:
        end = self.certificate.not_valid_after_utc
        if _now(self.clock) >= end:
            raise ValueError(f"certificate authority: must be valid now, got expired on {end:%F}")

    def _check_lifetime(self, lifetime: tuple[datetime, datetime]) -> tuple[datetime, datetime]:
        start, end = lifetime
        if not start < end <= start + LEAF_LIFETIME:
            raise ValueError(
                f"server certificate: lifetime: must be up to {LEAF_LIFETIME.days} days, "
                f"got {start:%F} to {end:%F}"
            )
        if start < self.certificate.not_valid_before_utc or (
            end > self.certificate.not_valid_after_utc
        ):
            raise ValueError(
                "server certificate: lifetime: must lie within the certificate authority's, "
                f"got {start:%F} to {end:%F}"
            )
        return lifetime


def issue_client(
    common_name: str, *, lifetime: timedelta = LEAF_LIFETIME, clock: Clock = utc_now
) -> Issued:
    """Make a certificate that a TLS client can use, and nobody else, with a new private key.

    It is signed by its own key, and cannot sign any other certificate.

    Args:
        common_name: The client's name, 1 to 64 printable characters.
        lifetime: How long it is valid, up to 397 days.
        clock: Returns the time, aware and in UTC.

    Raises:
        ValueError: The name is not of that form, or the lifetime is out of range.
    """
    if not timedelta(0) < lifetime <= LEAF_LIFETIME:
        raise ValueError(
            f"client certificate: lifetime: must be up to {LEAF_LIFETIME.days} days, got {lifetime}"
        )
    subject, key = _subject(common_name), generate_private_key()
    now = _now(clock)
    builder = _leaf(
        subject,
        issuer=subject,
        usages=[ExtendedKeyUsageOID.CLIENT_AUTH],
        public_key=key.public_key(),
        signed_by=key.public_key(),
        lifetime=(now - BACKDATE, now + lifetime),
    )
    return Issued(certificate=builder.sign(key, hashes.SHA256()), private_key=key)


def _leaf(
    subject: x509.Name,
    *,
    issuer: x509.Name,
    usages: Sequence[x509.ObjectIdentifier],
    public_key: ec.EllipticCurvePublicKey,
    signed_by: ec.EllipticCurvePublicKey,
    lifetime: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    start, end = lifetime
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signed_by), critical=False
        )
    )


def generate_private_key() -> ec.EllipticCurvePrivateKey:
    """Make a private key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def same_public_key(certificate: x509.Certificate, key: ec.EllipticCurvePublicKey) -> bool:
    """Tell whether a certificate is for a public key."""
    return public_key_fingerprint(certificate.public_key()) == public_key_fingerprint(key)


def public_key_fingerprint(key: object) -> str:
    """Return the SHA-256 of a public key's SubjectPublicKeyInfo, in hexadecimal.

    Args:
        key: A public key of the `cryptography` package.
    """
    data: bytes = key.public_bytes(  # type: ignore[attr-defined]  # every public key has it
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(data).hexdigest()


def is_authority(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is a CA's."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return constraints.value.ca


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Tell whether a CA signed a certificate, by its name and by its key."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _now(clock: Clock) -> datetime:
    now = clock()
    if now.utcoffset() != timedelta(0):
        raise ValueError(f"clock: must return an aware time in UTC, got {now.isoformat()}")
    # Certificates count in seconds.
    return now.astimezone(UTC).replace(microsecond=0)


def _subject(common_name: str) -> x509.Name:
    if not common_name.isprintable() or not 1 <= len(common_name) <= _LONGEST_COMMON_NAME:
        raise ValueError(
            f"certificate: common name: must be 1 to 64 printable characters, got {common_name!r}"
        )
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
