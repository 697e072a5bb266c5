"""What is left of an environment that was destroyed: keys, certificates and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from test_status import make_session

from constructs_lib.compose.delivery import Vault
from constructs_lib.files.private_file import write_private
from moor import destruction, recovery
from moor.outputs import outputs_file

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_but_keys_is_left(tmp_path: Path) -> None:
    session = make_session(tmp_path)
    environment = session.environment
    vault = Vault(environment.secrets)
    vault.digest(vault.keep("web", "/run/secrets/key", b"secret").read_bytes())
    write_private(environment.pki / "ca-key.pem", b"key")
    write_private(outputs_file(environment), b"{}")
    write_private(environment.directory / "history" / "000001.json", b"{}")
    recovery.begin(environment, "docker")
    destruction._forget(session)
    left = [p.relative_to(environment.directory) for p in environment.directory.rglob("*")]
    assert sorted(map(str, left)) == ["pki", "pki/ca-key.pem"]
    # Once more, as after a destruction that was interrupted.
    destruction._forget(session)
