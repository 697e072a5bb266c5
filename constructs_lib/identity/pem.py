"""Certificates and private keys as PEM, which is what every program here reads and writes.

No message quotes what it could not read: it may have been a key.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def private_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM (PKCS #8, not encrypted)."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_certificate(data: bytes) -> x509.Certificate:
    """Read one certificate.

    Args:
        data: PEM.

    Raises:
        ValueError: It is not exactly one certificate.
    """
    try:
        certificates = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise ValueError(
            "certificate: must be one certificate in PEM, got something else"
        ) from error
    if len(certificates) != 1:
        raise ValueError(f"certificate: must be one certificate in PEM, got {len(certificates)}")
    return certificates[0]


def load_request(data: bytes) -> tuple[x509.CertificateSigningRequest, ec.EllipticCurvePublicKey]:
    """Read a request for a certificate, and check that its sender has the private key.

    Args:
        data: PEM, of PKCS #10.

    Returns:
        The request and its public key, which is on P-256.

    Raises:
        ValueError: It is anything else, or not signed by its own key.
    """
    try:
        request = x509.load_pem_x509_csr(data)
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(
            "certificate request: must be one request in PEM, got something else"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("certificate request: key: must be on P-256, got another kind")  # noqa: TRY004 - a file's content, not an argument's type
    if not signed:
        raise ValueError("certificate request: must be signed by its own key, got another's")
    return request, key


def load_private_key(data: bytes) -> ec.EllipticCurvePrivateKey:
    """Read a private key on P-256.

    Args:
        data: PEM, not encrypted.

    Raises:
        ValueError: It is anything else. The message does not quote it.
    """
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(
            "private key: must be an unencrypted P-256 key in PEM, got something else"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("private key: must be an unencrypted P-256 key in PEM, got another kind")  # noqa: TRY004 - a file's content, not an argument's type
    return key
