"""The files of a PKI: where they are, and that an error names the file and its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from constructs_lib.identity.certificate_authority import CertificateAuthority
from constructs_lib.identity.pki_files import PkiError, PkiFiles, missing, read

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def files(tmp_path: Path) -> PkiFiles:
    made = PkiFiles(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    made.pki_dir.mkdir()
    made.certificates_dir.mkdir()
    return made


def message(call: Callable[[], object]) -> str:
    with pytest.raises(PkiError) as error:
        call()
    return str(error.value)


def test_every_file_has_its_place() -> None:
    files = PkiFiles(pki_dir=Path("p"), certificates_dir=Path("c"))
    assert (files.ca_file, files.ca_key_file) == (Path("p/ca.pem"), Path("p/ca-key.pem"))
    assert files.server_key_file == Path("p/server-key.pem")
    assert files.server_request_file == Path("p/server-request.json")
    assert files.server_certificate_file == Path("p/server.pem")
    assert files.client_ca_file == Path("c/ca.pem")
    assert files.client_certificate_file == Path("c/cert.pem")
    assert files.client_key_file == Path("c/key.pem")


def test_the_remedies_name_the_files() -> None:
    files = PkiFiles(pki_dir=Path("p"), certificates_dir=Path("c"))
    everything = "remove p and c for a new authority, which replaces the machine"
    assert files.remove_all == everything
    assert files.start_over == f"restore it from a backup, or {everything}"
    assert files.remove_copy == "remove c/ca.pem, it is then copied anew"
    assert files.new_server == (
        "remove p/server-key.pem, server-request.json and server.pem for new ones"
    )


def test_a_certificate_is_read_and_fits(files: PkiFiles) -> None:
    authority = CertificateAuthority.create("Moor test")
    issued = authority.issue_client("moor")
    assert issued.private_key is not None
    file = files.client_certificate_file
    file.write_bytes(issued.certificate_pem)
    found = files.read_leaf(file, issued.private_key, authority.certificate, "do this")
    assert found == files.read_certificate(file, "do this") == issued.certificate


@pytest.mark.parametrize(
    ("foreign", "problem"),
    [
        ("authority", "must be signed by {ca}, got one of another authority"),
        ("key", "must belong to the private key beside it, got another key's"),
    ],
)
def test_it_fails_when_a_certificate_does_not_fit(
    files: PkiFiles, foreign: str, problem: str
) -> None:
    authority, other = (CertificateAuthority.create("Moor test") for _ in range(2))
    issued, another = (authority.issue_client("moor") for _ in range(2))
    file = files.client_certificate_file
    file.write_bytes(issued.certificate_pem)
    signed_by = other if foreign == "authority" else authority
    key = (another if foreign == "key" else issued).private_key
    assert key is not None
    assert message(lambda: files.read_leaf(file, key, signed_by.certificate, "do this")) == (
        f"{file}: certificate: {problem.format(ca=files.ca_file)}; do this"
    )


def test_it_fails_when_a_file_is_missing(files: PkiFiles) -> None:
    file = files.ca_file
    expected = f"{file}: must exist, got no such file; do this"
    assert str(missing(file, "do this")) == expected
    assert message(lambda: read(file, "do this")) == expected
    assert message(lambda: files.read_certificate(file, "do this")) == expected
    assert message(lambda: files.read_private_key(file, "do this")) == expected


def test_it_fails_when_a_file_is_no_file(files: PkiFiles) -> None:
    assert message(lambda: read(files.pki_dir, "do this")) == (
        f"{files.pki_dir}: must be a readable file, got is a directory; see to its owner and mode"
    )


def test_it_fails_when_a_private_key_may_be_read_by_others(files: PkiFiles) -> None:
    file = files.ca_key_file
    file.write_bytes(CertificateAuthority.create("Moor test").private_key_pem)
    file.chmod(0o640)
    assert message(lambda: files.read_private_key(file, "do this")) == (
        f"{file}: mode: must give no rights to group and others, got 0640; chmod 600 {file}"
    )


def test_what_fails_under_the_lock_names_the_file(files: PkiFiles) -> None:
    nowhere = files.pki_dir / "nowhere" / "file"

    def write() -> None:
        with files.locked():
            nowhere.write_bytes(b"")

    assert message(write) == (
        f"{nowhere}: must be readable and writable, got no such file or directory; "
        "see to its owner and mode"
    )
