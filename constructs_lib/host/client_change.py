"""The client's certificate, changed when every one of several machines knows the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from constructs_lib.terraform.steps import run_module, terraform_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs_lib.aws.elastic_ip import ElasticIp
    from constructs_lib.host.docker_api import CertificateStore, DockerApi


class ClientChange(Construct):
    """The last step of opening several Docker APIs.

    One machine after the other learns a client's certificate that was prepared. Were it in use
    here as soon as one of them knows it, no other could be reached any more, should the deployment
    end before it is their turn. So this step asks each API once more, and only then does the new
    one take the old one's place. It is taken when, and only when, there is something new.

    Attributes:
        resource: The step, for `depends_on`.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        apis: Sequence[DockerApi],
        addresses: Sequence[ElasticIp],
        port: int,
        store: CertificateStore,
    ) -> None:
        """Define the step.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it runs the step again.
            apis: The APIs of all machines.
            addresses: The addresses of all machines.
            port: TCP port of the APIs.
            store: Where certificates are issued.
        """
        super().__init__(scope, id_)
        self.resource = terraform_data(
            self,
            "Resource",
            triggers={"certificate": store.request, "clients": store.clients},
            provisioners=[
                run_module(
                    "constructs_lib.host.docker_api_probe",
                    *("--pki", str(store.pki), "--certificates", str(store.certificates)),
                    *("--port", str(port)),
                    *(word for address in addresses for word in ("--host", address.public_ip)),
                )
            ],
            depends_on=[api.resource for api in apis],
        )
