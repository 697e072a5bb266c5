"""The fixed PKI that goldens are made with: public files only, and a clock that fits them."""

from datetime import UTC, datetime
from pathlib import Path

from constructs_lib.identity.pki import Pki

FOLDER = Path(__file__).parents[2] / "fixed_pki"


def test_it_is_usable_without_any_private_key() -> None:
    pki = Pki(
        pki_dir=FOLDER,
        certificates_dir=FOLDER / "none",
        clock=lambda: datetime(2026, 1, 31, 12, tzinfo=UTC),
        read_only=True,
    )
    pki.ensure()
    assert sorted(file.name for file in FOLDER.iterdir()) == ["ca.pem", "server-request.json"]
    assert pki.request_fingerprint == (
        "208f7bc045bfc60d61b755619c080763fdd83bf8406302f61ec34b8db4d0bd35"
    )
