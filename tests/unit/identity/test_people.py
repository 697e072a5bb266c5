"""People with whom the access is shared: who is answered, until when, and who is not any more."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from constructs_lib.identity.pem import load_certificate
from constructs_lib.identity.people import share, unshare
from constructs_lib.identity.pki import Pki

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    now = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pki(tmp_path: Path, clock: Clock) -> Pki:
    made = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates", clock=clock)
    made.ensure()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shared" / "alice"


def clients(pki: Pki) -> list[bytes]:
    """Return who is answered, in the order of the list."""
    end = b"-----END CERTIFICATE-----\n"
    blocks = pki.clients_file.read_bytes().split(end)[:-1]
    return [block[block.index(b"-----BEGIN") :] + end for block in blocks]


def message(error: pytest.ExceptionInfo[ValueError]) -> str:
    return str(error.value)


def test_a_person_gets_a_folder_and_is_on_the_list(pki: Pki, folder: Path) -> None:
    before = pki.clients_fingerprint
    end = share(pki, "alice", days=2, folder=folder)
    assert end == NOW + timedelta(days=2)
    assert {f.name: stat.S_IMODE(f.stat().st_mode) for f in folder.iterdir()} == {
        "ca.pem": 0o600,
        "cert.pem": 0o600,
        "key.pem": 0o600,
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    certificate = load_certificate((folder / "cert.pem").read_bytes())
    assert certificate.not_valid_after_utc == end
    assert (folder / "ca.pem").read_bytes() == pki.ca_file.read_bytes()
    ours = (pki.certificates_dir / "cert.pem").read_bytes()
    assert clients(pki) == [ours, (folder / "cert.pem").read_bytes()]
    # One change in the plan; the server's certificate stays.
    assert pki.clients_fingerprint != before
    assert list(pki.people()) == ["alice"]
    pki.ensure()
    assert len(clients(pki)) == 2


def test_what_was_taken_back_is_off_the_list(pki: Pki, folder: Path) -> None:
    before = pki.clients_fingerprint
    share(pki, "alice", days=2, folder=folder)
    share(pki, "bob", days=2, folder=folder.with_name("bob"))
    unshare(pki, "alice", folder=folder)
    assert list(pki.people()) == ["bob"]
    assert len(clients(pki)) == 2
    assert not folder.exists()
    unshare(pki, "bob", folder=folder.with_name("bob"))
    assert pki.clients_fingerprint == before


def test_people_outlast_a_rotation(pki: Pki, folder: Path) -> None:
    share(pki, "alice", days=2, folder=folder)
    pki.rotate(client=True, server=True, authority=True)
    assert clients(pki)[1] == (folder / "cert.pem").read_bytes()


def test_it_fails_while_the_person_has_access(pki: Pki, folder: Path, clock: Clock) -> None:
    share(pki, "alice", days=2, folder=folder)
    with pytest.raises(ValueError, match="share") as error:
        share(pki, "alice", days=9, folder=folder)
    assert message(error) == (
        "share: name: must be of somebody who has no access, got alice, who has until 2026-02-02; "
        "moor unshare alice takes it back"
    )
    clock.now += timedelta(days=2)
    assert share(pki, "alice", days=9, folder=folder) == clock.now + timedelta(days=9)
    assert len(clients(pki)) == 2


def test_it_fails_when_nobody_of_that_name_has_access(pki: Pki, folder: Path) -> None:
    with pytest.raises(ValueError, match="unshare") as error:
        unshare(pki, "alice", folder=folder)
    assert message(error) == (
        "unshare: name: must be of somebody who has access, got alice; it is shared with nobody"
    )


@pytest.mark.parametrize("name", ["", "Alice", "../x", "a b", ".hidden", "a" * 33, "a/b", "-x"])
def test_it_fails_when_the_name_could_not_be_a_files(pki: Pki, folder: Path, name: str) -> None:
    for call in (
        lambda: share(pki, name, days=1, folder=folder),
        lambda: unshare(pki, name, folder=folder),
    ):
        with pytest.raises(ValueError, match="must be 1 to 32 lower-case letters, digits"):
            call()


@pytest.mark.parametrize("days", [0, -1, 398])
def test_it_fails_when_the_days_are_out_of_range(pki: Pki, folder: Path, days: int) -> None:
    with pytest.raises(ValueError, match="days") as error:
        share(pki, "alice", days=days, folder=folder)
    assert message(error) == f"share: days: must be in 1..397, got {days}"
    assert not folder.exists()
