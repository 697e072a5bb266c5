"""Services that end cleanly with their machine, whoever shuts it down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from constructs import Construct

from constructs_lib.host.docker_api import SCRIPTS, digest, learn_host_keys
from constructs_lib.host.remote import STAGING, Remote
from constructs_lib.terraform.steps import terraform_data

if TYPE_CHECKING:
    from constructs_lib.aws.elastic_ip import ElasticIp
    from constructs_lib.aws.machine import Machine
    from constructs_lib.host.docker_api import AwsAccess, DockerApi
    from constructs_lib.host.ssh_access import SshAccess

_SCRIPT: Final = "services-end.sh"
_CONNECT_SECONDS: Final = 300


class ServicesEnd(Construct):
    """The step that has containers end with their own signal and patience at each shutdown.

    It is a step of its own, and nothing in user data: a machine that runs gets it by the next
    deployment, without being replaced, and without Docker or a container being started anew.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        machine: Machine,
        address: ElasticIp,
        api: DockerApi,
        ssh: SshAccess,
        aws: AwsAccess,
    ) -> None:
        """Define the step.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
            machine: The machine.
            address: Its address.
            api: Its Docker API: Docker runs once that is there.
            ssh: How to reach the machine.
            aws: How to ask for its console.
        """
        super().__init__(scope, id_)
        ip = address.public_ip
        remote = Remote.to(ip, machine=machine.id, ssh=ssh)
        terraform_data(
            self,
            "Resource",
            triggers={"machine": machine.id, _SCRIPT: digest(SCRIPTS / _SCRIPT)},
            provisioners=[
                # Another computer may have opened the API, and a boot empties the folder.
                learn_host_keys(machine, ip, ssh=ssh, aws=aws, seconds=_CONNECT_SECONDS),
                remote.make_staging(ssh.user),
                remote.upload(SCRIPTS / _SCRIPT, _SCRIPT),
                remote.run(f"sudo bash {STAGING}/{_SCRIPT} install"),
            ],
            depends_on=[api.resource],
        )
