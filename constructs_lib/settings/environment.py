"""The environment: one settings file, and the folders that belong to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VARIABLE: Final = "ENVIRONMENT"
DEFAULT_NAME: Final = "sandbox"

SANDBOX_PROFILE: Final = "moor-sandbox"
"""The profile under which the emulated AWS's access key stands in its file."""

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where the things of one environment live.

    Nothing is created: whoever writes into a folder makes it.

    Attributes:
        name: The environment's name: 1 to 31 lower-case letters, digits and hyphens,
            the first a letter. It is the stem of the settings file.
        settings_file: The YAML file with the settings.
        root: The project's folder.

    Raises:
        ValueError: The name is not of that form.
    """

    name: str
    settings_file: Path
    root: Path

    def __post_init__(self) -> None:
        """Refuse a name that could not be a tag, a folder and a container's name."""
        if not _NAME.fullmatch(self.name):
            msg = (
                f"{self.settings_file}: environment name: must be 1 to 31 lower-case letters, "
                f"digits and hyphens with a letter first, got {self.name!r}; rename the file"
            )
            raise ValueError(msg)

    @classmethod
    def from_variable(cls, root: Path, variables: Mapping[str, str]) -> Self:
        """Choose the environment by the variable `ENVIRONMENT`.

        Args:
            root: The project's folder.
            variables: Usually `os.environ`. `ENVIRONMENT` is either a name, which stands
                for `environments/NAME.yaml`, or the path of a file that ends in `.yaml`
                or `.yml`. Unset or empty means `sandbox`.

        Raises:
            ValueError: The name is not usable.
        """
        value = variables.get(VARIABLE) or DEFAULT_NAME
        if value.endswith((".yaml", ".yml")):
            file = root / value
            return cls(name=file.stem, settings_file=file, root=root)
        return cls(name=value, settings_file=root / "environments" / f"{value}.yaml", root=root)

    @property
    def directory(self) -> Path:
        """Everything of this environment that must not be lost or shared."""
        return self.root / ".moor" / self.name

    @property
    def pki(self) -> Path:
        """The certificate authority, and what is installed on the machine."""
        return self.directory / "pki"

    @property
    def certificates(self) -> Path:
        """`ca.pem`, `cert.pem` and `key.pem`: what `DOCKER_CERT_PATH` names."""
        return self.directory / "certificates"

    @property
    def ssh(self) -> Path:
        """The SSH key made for the environment."""
        return self.directory / "ssh"

    @property
    def hosts(self) -> Path:
        """The SSH host keys of machines, a folder each."""
        return self.directory / "hosts"

    @property
    def shared(self) -> Path:
        """What is to be handed over to people with whom the access is shared, a folder each."""
        return self.directory / "shared"

    @property
    def providers(self) -> Path:
        """The locks of the stacks' providers. They hold no secret, and may be shared."""
        return self.directory / "providers"

    @property
    def secrets(self) -> Path:
        """What secrets and configs pass through during a deployment."""
        return self.directory / "secrets"

    @property
    def swarm(self) -> Path:
        """What deployments remember of a swarm: ids and names, and no secret."""
        return self.directory / "swarm"

    @property
    def ended(self) -> Path:
        """Which containers had done their work when the last deployment was done."""
        return self.directory / "ended.json"

    @property
    def state(self) -> Path:
        """Terraform's state files, where the state is kept locally."""
        return self.directory / "state"

    @property
    def log(self) -> Path:
        """Logs of the commands and of the sandbox."""
        return self.directory / "log"

    @property
    def sandbox(self) -> Path:
        """What the sandbox remembers between commands."""
        return self.directory / "sandbox"

    @property
    def sandbox_credentials(self) -> Path:
        """The emulated AWS's access key, as AWS's programs read such a file."""
        return self.sandbox / "credentials"

    @property
    def lock(self) -> Path:
        """The file whose lock allows one deploy or destroy at a time."""
        return self.directory / "lock"

    @property
    def output(self) -> Path:
        """Where cdktf writes this environment's Terraform configuration.

        One folder an environment: Terraform keeps the backend's identity beside the
        configuration, and refuses a folder that another backend has used.
        """
        return self.root / "cdktf.out" / self.name
