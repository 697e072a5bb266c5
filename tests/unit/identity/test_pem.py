"""PEM: what is written can be read, and nothing else can."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from constructs_lib.identity.certificate_authority import (
    CertificateAuthority,
    generate_private_key,
)
from constructs_lib.identity.pem import (
    certificate_pem,
    load_certificate,
    load_private_key,
    load_request,
    private_key_pem,
)


def test_what_is_written_is_read_back() -> None:
    certificate = CertificateAuthority.create("Moor test").certificate
    assert load_certificate(certificate_pem(certificate)) == certificate
    key = generate_private_key()
    assert load_private_key(private_key_pem(key)).private_numbers() == key.private_numbers()


def test_a_key_is_written_without_a_passphrase() -> None:
    assert private_key_pem(generate_private_key()).startswith(b"-----BEGIN " + b"PRIVATE KEY-----")


@pytest.mark.parametrize("data", [b"", b"SECRET", b"-----BEGIN CERTIFICATE-----\nSECRET"])
def test_load_fails_when_a_file_is_damaged(data: bytes) -> None:
    with pytest.raises(ValueError, match="one certificate") as error:
        load_certificate(data)
    assert "SECRET" not in str(error.value)
    with pytest.raises(ValueError, match="P-256") as error:
        load_private_key(data)
    assert "SECRET" not in str(error.value)
    with pytest.raises(ValueError, match="got 2"):
        load_certificate(CertificateAuthority.create("Moor test").certificate_pem * 2)


def test_load_fails_when_the_key_is_of_another_kind() -> None:
    data = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ValueError, match="another kind"):
        load_private_key(data)


def test_load_fails_when_the_key_is_on_another_curve() -> None:
    with pytest.raises(ValueError, match="another kind"):
        load_private_key(private_key_pem(ec.generate_private_key(ec.SECP384R1())))


def request_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


def test_a_request_gives_the_key_that_has_signed_it() -> None:
    key = generate_private_key()
    assert load_request(request_of(key))[1] == key.public_key()


@pytest.mark.parametrize("data", [b"", b"SECRET", b"-----BEGIN CERTIFICATE REQUEST-----\nSECRET"])
def test_load_fails_when_a_request_is_damaged(data: bytes) -> None:
    with pytest.raises(ValueError, match="one request in PEM, got something else") as error:
        load_request(data)
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_load_fails_when_a_request_is_of_another_kind_of_key(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    with pytest.raises(ValueError, match="must be on P-256, got another kind"):
        load_request(request_of(key))


def test_load_fails_when_a_request_is_not_signed_by_its_own_key() -> None:
    """Who has no private key for it must not get a certificate."""
    request = x509.load_pem_x509_csr(request_of(generate_private_key()))
    der = bytearray(request.public_bytes(serialization.Encoding.DER))
    # Inside the signature's second number, so that it can still be read.
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ValueError, match="must be signed by its own key, got another's"):
        load_request(forged)
