"""The certificate authority: the profile of its certificates, and real handshakes."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tls_server import HOST, over_tls, server_context, serving

from constructs_lib.identity.certificate_authority import (
    CertificateAuthority,
    Issued,
    is_signed_by,
    issue_client,
    same_public_key,
    utc_now,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def clock() -> datetime:
    return NOW


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("Moor test", clock=clock)


@pytest.fixture(scope="module")
def current() -> CertificateAuthority:
    """A CA whose certificates are valid today, for handshakes."""
    return CertificateAuthority.create("Moor test")


def extensions(certificate: x509.Certificate) -> dict[type, tuple[bool, x509.ExtensionType]]:
    return {type(e.value): (e.critical, e.value) for e in certificate.extensions}


def usages(certificate: x509.Certificate) -> set[str]:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
    )
    return {name for name in names if getattr(usage, name)}


# The profile


def test_the_authoritys_certificate(authority: CertificateAuthority) -> None:
    certificate = authority.certificate
    found = extensions(certificate)
    assert set(found) == {x509.BasicConstraints, x509.KeyUsage, x509.SubjectKeyIdentifier}
    assert found[x509.BasicConstraints] == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert found[x509.KeyUsage][0] is True
    assert usages(certificate) == {"key_cert_sign"}
    assert certificate.not_valid_before_utc == NOW - timedelta(hours=1)
    assert certificate.not_valid_after_utc == NOW - timedelta(hours=1) + timedelta(days=3650)
    assert is_signed_by(certificate, certificate)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_a_servers_certificate(authority: CertificateAuthority) -> None:
    issued = authority.issue_server(["203.0.113.7", "Docker.Example.com", "2001:db8::1"])
    certificate = issued.certificate
    found = extensions(certificate)
    assert set(found) == {
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
        x509.SubjectAlternativeName,
    }
    assert found[x509.BasicConstraints] == (True, x509.BasicConstraints(ca=False, path_length=None))
    assert usages(certificate) == {"digital_signature"}
    assert found[x509.ExtendedKeyUsage][1] == x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.SERVER_AUTH]
    )
    assert found[x509.SubjectAlternativeName][1] == x509.SubjectAlternativeName(
        [
            x509.IPAddress(ipaddress.ip_address("203.0.113.7")),
            x509.DNSName("docker.example.com"),
            x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        ]
    )
    identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert found[x509.AuthorityKeyIdentifier][1] == (
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)
    )
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "203.0.113.7"
    assert certificate.not_valid_before_utc == NOW - timedelta(hours=1)
    assert certificate.not_valid_after_utc == NOW - timedelta(hours=1) + timedelta(days=397)
    assert is_signed_by(certificate, authority.certificate)


def test_a_clients_certificate_is_signed_by_itself_and_signs_nothing() -> None:
    issued = issue_client("moor-sandbox", clock=clock)
    certificate = issued.certificate
    found = extensions(certificate)
    assert x509.SubjectAlternativeName not in found
    assert found[x509.BasicConstraints] == (True, x509.BasicConstraints(ca=False, path_length=None))
    assert found[x509.ExtendedKeyUsage][1] == x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    assert usages(certificate) == {"digital_signature"}
    assert is_signed_by(certificate, certificate)
    assert issued.private_key is not None
    assert same_public_key(certificate, issued.private_key.public_key())
    assert certificate.not_valid_before_utc == NOW - timedelta(hours=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=397)
    short = issue_client("alice", lifetime=timedelta(days=2), clock=clock).certificate
    assert short.not_valid_after_utc == NOW + timedelta(days=2)


@pytest.mark.parametrize("days", [0, -1, 398])
def test_a_client_fails_when_the_lifetime_is_out_of_range(days: int) -> None:
    with pytest.raises(ValueError, match="lifetime") as error:
        issue_client("moor", lifetime=timedelta(days=days))
    assert str(error.value) == (
        f"client certificate: lifetime: must be up to 397 days, got {timedelta(days=days)}"
    )


def test_a_given_public_key_and_lifetime_are_used(authority: CertificateAuthority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    lifetime = (NOW, NOW + timedelta(days=30))
    issued = authority.issue_server(["10.0.0.1"], public_key=key.public_key(), lifetime=lifetime)
    assert same_public_key(issued.certificate, key.public_key())
    assert issued.private_key is None
    assert issued.certificate.not_valid_before_utc == lifetime[0]
    assert issued.certificate.not_valid_after_utc == lifetime[1]
    with pytest.raises(ValueError, match="made here") as error:
        _ = issued.private_key_pem
    assert str(error.value) == "certificate: private key: must have been made here, got none"


def test_no_certificate_outlives_the_authority(authority: CertificateAuthority) -> None:
    late = authority.certificate.not_valid_after_utc - timedelta(days=10)
    old = CertificateAuthority(
        certificate=authority.certificate, private_key=authority.private_key, clock=lambda: late
    )
    certificate = old.issue_server(["10.0.0.1"]).certificate
    assert certificate.not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_microseconds_and_the_first_hour_do_not_matter() -> None:
    start = NOW + timedelta(microseconds=123)
    authority = CertificateAuthority.create("Moor", clock=lambda: start)
    certificate = authority.issue_server(["10.0.0.1"]).certificate
    assert certificate.not_valid_before_utc == authority.certificate.not_valid_before_utc


def test_secrets_do_not_show(authority: CertificateAuthority) -> None:
    issued = authority.issue_server(["10.0.0.1"])
    for shown in (repr(authority), str(authority), repr(issued)):
        assert "private_key" not in shown
        assert "EllipticCurvePrivateKey" not in shown


def test_load_gives_the_authority_back(authority: CertificateAuthority) -> None:
    loaded = CertificateAuthority.load(
        certificate=authority.certificate_pem, private_key=authority.private_key_pem, clock=clock
    )
    assert loaded.certificate == authority.certificate
    assert is_signed_by(loaded.issue_server(["10.0.0.1"]).certificate, authority.certificate)


# What is refused


def test_create_fails_when_the_name_is_empty() -> None:
    with pytest.raises(ValueError, match="common name") as error:
        CertificateAuthority.create("")
    assert str(error.value) == (
        "certificate: common name: must be 1 to 64 printable characters, got ''"
    )


@pytest.mark.parametrize(
    "wrong",
    [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))],  # noqa: DTZ001 - naive on purpose
)
def test_create_fails_when_the_clock_is_not_in_utc(wrong: datetime) -> None:
    with pytest.raises(ValueError, match="clock") as error:
        CertificateAuthority.create("Moor", clock=lambda: wrong)
    assert str(error.value) == f"clock: must return an aware time in UTC, got {wrong.isoformat()}"


def test_issue_fails_when_the_authority_has_expired(authority: CertificateAuthority) -> None:
    old = CertificateAuthority(
        certificate=authority.certificate,
        private_key=authority.private_key,
        clock=lambda: authority.certificate.not_valid_after_utc,
    )
    with pytest.raises(ValueError, match="expired") as error:
        old.issue_server(["10.0.0.1"])
    assert str(error.value) == (
        "certificate authority: must be valid now, got expired on 2036-01-29"
    )


def test_issue_fails_when_there_is_no_name(authority: CertificateAuthority) -> None:
    with pytest.raises(ValueError, match="names") as error:
        authority.issue_server([])
    assert str(error.value) == "server certificate: names: must be at least one, got none"


@pytest.mark.parametrize(
    "lifetime",
    [(NOW, NOW), (NOW, NOW - timedelta(1)), (NOW, NOW + timedelta(days=397, seconds=1))],
    ids=["empty", "backwards", "long"],
)
def test_issue_fails_when_the_lifetime_is_too_long(
    authority: CertificateAuthority, lifetime: tuple[datetime, datetime]
) -> None:
    with pytest.raises(ValueError, match="lifetime") as error:
        authority.issue_server(["10.0.0.1"], lifetime=lifetime)
    assert str(error.value) == (
        "server certificate: lifetime: must be up to 397 days, "
        f"got {lifetime[0]:%F} to {lifetime[1]:%F}"
    )


@pytest.mark.parametrize("days", [-10, 3649])
def test_issue_fails_when_the_lifetime_is_outside_the_authoritys(
    authority: CertificateAuthority, days: int
) -> None:
    start = NOW + timedelta(days=days)
    with pytest.raises(ValueError, match="lie within"):
        authority.issue_server(["10.0.0.1"], lifetime=(start, start + timedelta(days=20)))


def test_load_fails_when_the_key_is_another_ones(authority: CertificateAuthority) -> None:
    other = CertificateAuthority.create("Moor test", clock=clock)
    with pytest.raises(ValueError, match="belong") as error:
        CertificateAuthority.load(
            certificate=authority.certificate_pem, private_key=other.private_key_pem
        )
    assert str(error.value) == "private key: must belong to the certificate, got another key"


def test_load_fails_when_the_certificate_is_not_an_authoritys() -> None:
    leaf = issue_client("moor")
    with pytest.raises(ValueError, match="end certificate"):
        CertificateAuthority.load(
            certificate=leaf.certificate_pem, private_key=leaf.private_key_pem
        )


def test_signed_by_compares_the_key_and_not_the_name_alone(authority: CertificateAuthority) -> None:
    namesake = CertificateAuthority.create("Moor test", clock=clock)
    leaf = namesake.issue_server(["10.0.0.1"]).certificate
    assert is_signed_by(leaf, namesake.certificate)
    assert not is_signed_by(leaf, authority.certificate)


# Real handshakes


def talk(
    port: int,
    *,
    trust: CertificateAuthority,
    client: Issued | None,
    directory: Path,
    host: str = HOST,
) -> bytes:
    """Connect as a strict client, send a line, return the answer."""
    context = ssl.create_default_context(cadata=trust.certificate_pem.decode())
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    if client is not None:
        (directory / "c.pem").write_bytes(client.certificate_pem)
        (directory / "k.pem").write_bytes(client.private_key_pem)
        context.load_cert_chain(directory / "c.pem", directory / "k.pem")
    with (
        socket.create_connection((HOST, port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=host) as tls,
    ):
        tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return tls.recv(4096)


@pytest.fixture(scope="module")
def client() -> Issued:
    """The one client that servers take."""
    return issue_client("moor")


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def port(
    request: pytest.FixtureRequest,
    current: CertificateAuthority,
    client: Issued,
    tmp_path: Path,
) -> Iterator[int]:
    context = server_context(
        tmp_path / "server",
        issued=current.issue_server([HOST]),
        clients=client.certificate_pem,
        maximum=request.param,
    )
    with serving(over_tls(context)) as server:
        yield server.port


def test_both_sides_accept_each_other(
    port: int, current: CertificateAuthority, client: Issued, tmp_path: Path
) -> None:
    answer = talk(port, trust=current, client=client, directory=tmp_path)
    assert answer.endswith(b"OK")


def test_the_client_refuses_another_authoritys_server(
    port: int, client: Issued, tmp_path: Path
) -> None:
    namesake = CertificateAuthority.create("Moor test")
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        talk(port, trust=namesake, client=client, directory=tmp_path)


def test_the_client_refuses_another_host(
    port: int, current: CertificateAuthority, client: Issued, tmp_path: Path
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        talk(port, trust=current, client=client, directory=tmp_path, host="127.0.0.2")


def test_the_server_refuses_a_client_without_a_certificate(
    port: int, current: CertificateAuthority, tmp_path: Path
) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        talk(port, trust=current, client=None, directory=tmp_path)


def test_the_server_refuses_another_client_with_the_same_name(
    port: int, current: CertificateAuthority, tmp_path: Path
) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        talk(port, trust=current, client=issue_client("moor"), directory=tmp_path)


def test_the_server_refuses_what_a_client_has_signed(
    port: int, current: CertificateAuthority, client: Issued, tmp_path: Path
) -> None:
    """A client is on the list by itself: it cannot let others in."""
    assert client.private_key is not None
    as_authority = CertificateAuthority(
        certificate=client.certificate, private_key=client.private_key
    )
    with pytest.raises((ssl.SSLError, ConnectionError)):
        talk(port, trust=current, client=as_authority.issue_server([HOST]), directory=tmp_path)


def test_the_server_refuses_what_its_own_authority_has_signed(
    port: int, current: CertificateAuthority, tmp_path: Path
) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        talk(port, trust=current, client=current.issue_server([HOST]), directory=tmp_path)


@pytest.mark.parametrize("days", [-398, 2], ids=["expired", "not yet valid"])
def test_a_certificate_is_refused_outside_its_lifetime(tmp_path: Path, days: int) -> None:
    then = utc_now() + timedelta(days=days)
    born = CertificateAuthority.create("Moor", clock=lambda: utc_now() - timedelta(days=400))
    authority = CertificateAuthority(
        certificate=born.certificate, private_key=born.private_key, clock=lambda: then
    )
    context = server_context(
        tmp_path / "server",
        issued=authority.issue_server([HOST]),
        clients=issue_client("moor").certificate_pem,
    )
    with (
        serving(over_tls(context)) as server,
        pytest.raises(ssl.SSLCertVerificationError, match=r"expired|not yet valid"),
    ):
        talk(server.port, trust=authority, client=None, directory=tmp_path)


def test_the_server_refuses_an_expired_client(
    current: CertificateAuthority, tmp_path: Path
) -> None:
    old = issue_client("moor", clock=lambda: utc_now() - timedelta(days=400))
    context = server_context(
        tmp_path / "server", issued=current.issue_server([HOST]), clients=old.certificate_pem
    )
    with serving(over_tls(context)) as server, pytest.raises((ssl.SSLError, ConnectionError)):
        talk(server.port, trust=current, client=old, directory=tmp_path)


@pytest.mark.parametrize("also_client", [False, True])
def test_a_server_proves_itself_to_other_servers_only_where_that_is_asked_for(
    current: CertificateAuthority,
    tmp_path: Path,
    also_client: bool,  # noqa: FBT001  (a case)
) -> None:
    context = server_context(
        tmp_path / "server",
        issued=current.issue_server([HOST]),
        clients=current.certificate_pem,
    )
    machine = current.issue_server(["203.0.113.7"], also_client=also_client)
    with serving(over_tls(context)) as server:
        if also_client:
            assert talk(server.port, trust=current, client=machine, directory=tmp_path)
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                talk(server.port, trust=current, client=machine, directory=tmp_path)
