"""The Docker stack: the services on the machine, or in the swarm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cdktf import Fn, TerraformOutput, TerraformStack, TerraformVariable, Token
from cdktf_cdktf_provider_docker.provider import DockerProvider, DockerProviderRegistryAuth

from constructs_lib.compose.output_names import output_names
from constructs_lib.compose.services import ComposeServices
from constructs_lib.host.endpoint import DockerEndpoint
from constructs_lib.swarm.services import SwarmServices
from constructs_lib.terraform.literal import Expression, define, joined, override

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from constructs import Construct

    from constructs_lib.compose.delivery import Vault
    from constructs_lib.compose.model import ComposeProject
    from constructs_lib.swarm.registry import Registry
    from constructs_lib.terraform.state_backend import LocalState, S3State

PROVIDER_VERSIONS: Final = ">= 4.0.0, < 5.0.0"
"""Since 4.0 a stopped container shows in the plan instead of vanishing from the state."""

MANAGER: Final = "manager"
"""The variable that says which of a swarm's managers the stack speaks to."""

FIRST_MANAGER: Final = "manager-1"
"""The one that it speaks to where nobody says so."""


class DockerStack(TerraformStack):
    """The services of the environment's Compose files."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        services: ComposeProject,
        state: LocalState | S3State,
        address: Expression | Mapping[str, Expression],
        port: int,
        certificates: Path,
        machine: Expression | None,
        vault: Vault,
        value_of: Callable[[str], str],
        plain_registries: Sequence[str] = (),
        identities: Path | None = None,
        registry: Registry | str | None = None,
        ended: Mapping[str, str] | None = None,
    ) -> None:
        """Wire the stack.

        Args:
            scope: The app.
            id_: The stack's name.
            services: The services, checked.
            state: Where Terraform's state is kept.
            address: The machine's address: a token of another stack. In a swarm those of its
                managers by their names, of which the variable `manager` chooses one: any that is
                alive will do.
            port: TCP port of the machine's Docker API.
            certificates: The folder with `ca.pem`, `cert.pem` and `key.pem`.
            machine: The machine's id: a token of another stack; None in a swarm.
            vault: Where secrets and configs from variables are kept for the deployment.
            value_of: Returns the value of a variable that is a secret's or config's content.
            plain_registries: Registries (`HOST:PORT`) that speak HTTP, and know no users.
            identities: In a swarm the folder for what it calls secrets and configs; None on one
                machine.
            registry: In a swarm where images that are built go; see `SwarmServices`.
            ended: The digest of the configuration of each container that has come to a good end,
                by its name.
        """
        super().__init__(scope, id_)
        if not isinstance(address, str):
            address = self._chosen(address)
        state.attach(self, id_)
        define(
            DockerProvider,
            self,
            "Provider",
            host=joined("tcp://", address, f":{port}"),
            cert_path=str(certificates),
            registry_auth=[
                define(DockerProviderRegistryAuth, address=f"http://{registry}", auth_disabled=True)
                for registry in plain_registries
            ]
            or None,
        )
        override(self, "terraform.required_providers.docker.version", PROVIDER_VERSIONS)
        endpoint = DockerEndpoint(
            host=address, port=port, certificates=certificates, machine=machine
        )
        if identities is None:
            ComposeServices(
                self,
                "Compose",
                project=services,
                endpoint=endpoint,
                vault=vault,
                value_of=value_of,
                ended=ended,
            )
        else:
            SwarmServices(
                self,
                "Compose",
                project=services,
                endpoint=endpoint,
                vault=vault,
                value_of=value_of,
                identities=identities,
                registry=registry,
            )
        # In a swarm a port is that of the nodes which run a task, and no plan knows those.
        published_ports = services.published_tcp_ports if identities is None else {}
        names = output_names(published_ports)
        for name, published in published_ports.items():
            define(
                TerraformOutput,
                self,
                names[name],
                value=joined("http://", address, f":{published}/"),
                description=f"where the service {name} answers",
            )

    def _chosen(self, managers: Mapping[str, Expression]) -> Expression:
        """Return the address of the manager that the variable names."""
        names = ", ".join(managers)
        variable = define(
            TerraformVariable,
            self,
            MANAGER,
            type="string",
            default=FIRST_MANAGER,
            nullable=False,
            description=f"the manager that the deployment speaks to: {names}",
        )
        addresses = {name: str(address) for name, address in managers.items()}
        return Expression(Token.as_string(Fn.lookup(addresses, variable.string_value)))
