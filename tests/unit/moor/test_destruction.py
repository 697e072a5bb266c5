"""What is left of an environment that was destroyed: keys, certificates and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.compose.delivery import Vault
from constructs_lib.files.private_file import write_private
from constructs_lib.settings.environment import Environment
from moor import destruction, recovery
from moor.outputs import outputs_file
from moor.session import Session

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_but_keys_is_left(tmp_path: Path) -> None:
    environment = Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})
    vault = Vault(environment.secrets)
    vault.digest(vault.keep("web", "/run/secrets/key", b"secret").read_bytes())
    write_private(environment.pki / "ca-key.pem", b"key")
    write_private(outputs_file(environment), b"{}")
    recovery.begin(environment, "docker")
    destruction._forget(Session(environment=environment))
    left = [p.relative_to(environment.directory) for p in environment.directory.rglob("*")]
    assert sorted(map(str, left)) == ["pki", "pki/ca-key.pem"]
    # Once more, as after a destruction that was interrupted.
    destruction._forget(Session(environment=environment))
