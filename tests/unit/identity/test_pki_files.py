"""The files of a PKI: where they are, and that an error names the file and its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from constructs_lib.files.private_file import write_private
from constructs_lib.identity.certificate_authority import CertificateAuthority, issue_client
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
    assert files.server_request_file == Path("p/server-request.json")
    assert files.clients_file == Path("p/clients.pem")
    assert files.people_dir == Path("p/people")
    assert files.install_dir == files.install_dir_of(None) == Path("p/install")
    assert files.install_dir_of("web-1") == Path("p/install/web-1")
    assert files.client_certificate_file == Path("c/cert.pem")
    assert files.client_key_file == Path("c/key.pem")


def test_what_comes_next_counts_and_what_is_in_use_stays(files: PkiFiles) -> None:
    files.next_dir.mkdir()
    assert files.is_prepared
    for file in (
        *(files.ca_file, files.ca_key_file),
        *(files.client_certificate_file, files.client_key_file),
    ):
        assert file.parent == files.next_dir
    assert files.clients_file.parent == files.pki_dir


def test_the_remedies_are_commands() -> None:
    files = PkiFiles(pki_dir=Path("p"), certificates_dir=Path("c"))
    assert files.new_authority == ("restore it from a backup, or run: moor certs rotate authority")
    assert files.new_client == "restore it from a backup, or run: moor certs rotate client"
    assert files.new_server == "run: moor certs rotate server"


def test_a_client_is_read_and_fits(files: PkiFiles) -> None:
    issued, other = issue_client("moor"), issue_client("moor")
    files.client_certificate_file.write_bytes(issued.certificate_pem)
    write_private(files.client_key_file, issued.private_key_pem)
    assert files.read_client() == issued.certificate
    write_private(files.client_key_file, other.private_key_pem)
    assert message(files.read_client) == (
        f"{files.client_certificate_file}: certificate: must belong to the private key beside it, "
        f"got another key's; {files.new_client}"
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
