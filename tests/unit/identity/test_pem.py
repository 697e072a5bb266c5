"""PEM: what is written can be read, and nothing else can."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from constructs_lib.identity.certificate_authority import (
    CertificateAuthority,
    generate_private_key,
)
from constructs_lib.identity.pem import (
    certificate_pem,
    load_certificate,
    load_private_key,
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
