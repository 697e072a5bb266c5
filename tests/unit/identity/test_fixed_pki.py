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
    assert sorted(file.name for file in FOLDER.iterdir()) == [
        *("ca.pem", "clients.pem", "server-request.json")
    ]
    assert pki.request_fingerprint == (
        "f25a7523128801ee5a4563d968763c0741018a19c73cb34b1ea9b6c5e1dc1fa1"
    )
    assert pki.clients_fingerprint == (
        "02e66d0d4015c8a3fddb1f78ecb702e962a5d69acfdc8f3a29339d26dd3df2fd"
    )
