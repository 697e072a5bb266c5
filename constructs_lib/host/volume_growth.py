"""A data volume that has grown: the file system on it grows, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from constructs_lib.host.remote import Remote
from constructs_lib.terraform.steps import terraform_data

if TYPE_CHECKING:
    from constructs_lib.aws.data_volume import DataVolume
    from constructs_lib.aws.elastic_ip import ElasticIp
    from constructs_lib.aws.machine import Machine
    from constructs_lib.host.docker_api import DockerApi
    from constructs_lib.host.ssh_access import SshAccess


class VolumeGrowth(Construct):
    """The step that has a file system take the room of its volume, while it is in use.

    It is a step of its own: nothing else has to run again when the volume grows. A kernel that
    refuses lets it grow at the machine's next boot.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        volume: DataVolume,
        machine: Machine,
        address: ElasticIp,
        api: DockerApi,
        ssh: SshAccess,
    ) -> None:
        """Define the step.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id.
            volume: The volume.
            machine: The machine that it is attached to.
            address: The machine's address.
            api: Its Docker API, whose steps have installed what this one runs.
            ssh: How to reach the machine.
        """
        super().__init__(scope, id_)
        remote = Remote.to(address.public_ip, machine=machine.id, ssh=ssh)
        terraform_data(
            self,
            "Resource",
            triggers={"size": f"{volume.size_gib} GiB"},
            provisioners=[remote.run("sudo bash /etc/moor/data-volume.sh grow")],
            depends_on=[volume.resource, api.resource],
        )
