"""Docker's remote API on a machine: opened over SSH, proved from outside."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs import Construct

from constructs_lib.host.registry_place import REGISTRY_NAME, REGISTRY_PORT
from constructs_lib.host.remote import STAGING, Remote
from constructs_lib.identity.pki_files import INSTALLED, PkiFiles
from constructs_lib.terraform.literal import joined
from constructs_lib.terraform.steps import run_module, terraform_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdktf import FileProvisioner, LocalExecProvisioner, RemoteExecProvisioner

    from constructs_lib.aws.data_volume import DataVolume
    from constructs_lib.aws.elastic_ip import ElasticIp
    from constructs_lib.aws.machine import Machine
    from constructs_lib.host.ssh_access import SshAccess

SCRIPTS: Final = Path(__file__).parent / "scripts"
_KNOW_REGISTRY: Final = "know-registry.sh"
_DATA_VOLUME: Final = "data-volume.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStore:
    """The folders that certificates are issued from and into.

    Attributes:
        pki: The certificate authority's folder; what is installed on the machine is here.
        certificates: The client's folder: `ca.pem`, `cert.pem`, `key.pem`.
        request: What identifies the server certificate before it is issued: it changes
            when, and only when, another certificate is due.
        clients: What identifies the clients that the API answers: it changes with them.
    """

    pki: Path
    certificates: Path
    request: str
    clients: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccess:
    """How AWS's API is asked for the machine's console, from which its host keys are learned.

    Attributes:
        region: The AWS region.
        profile: A profile of `~/.aws/config`; the standard AWS chain where unset.
        role_arn: A role to assume.
        endpoint_url: An emulated AWS API to use instead of AWS.
        credentials: The file that has the profile's keys, instead of the user's own.
    """

    region: str
    profile: str | None = None
    role_arn: str | None = None
    endpoint_url: str | None = None
    credentials: Path | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The same as options of `constructs_lib.host.host_key`."""
        options = {
            "--region": self.region,
            "--profile": self.profile,
            "--role-arn": self.role_arn,
            "--endpoint-url": self.endpoint_url,
            "--credentials": str(self.credentials) if self.credentials else None,
        }
        return tuple(
            word for name, value in options.items() if value is not None for word in (name, value)
        )


class DockerApi(Construct):
    """The remote API behind mutual TLS.

    It is a resource of its own: a step that fails is repeated by the next deployment,
    and never taints the machine. The steps run again when the machine, its address,
    a certificate or a script changes, and at no other time:

    1. learn the machine's host keys from its console; everything after that goes to the
       machine that has them, or nowhere;
    2. wait for the machine, have Docker's data on the data volume where there is one
       (`data-volume.sh`), and run `init.sh`, which waits for the user data;
    3. let the machine make its private key, and fetch its request for a certificate;
    4. issue the server certificate for the address, and install it with the list of
       clients: nothing that is secret is sent;
    5. open the socket, and check on the machine that it refuses strangers;
    6. check from here that our certificate is answered, and that one that was taken back,
       a foreign one, none, and plain HTTP are refused.

    Of several machines each has its own folder for what is installed on it, since they are opened
    side by side; and a client's certificate that was prepared is not in use before all of them
    know it, which `ClientChange` sees to.

    Attributes:
        resource: The last step, for `depends_on`.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        machine: Machine,
        address: ElasticIp,
        port: int,
        ssh: SshAccess,
        store: CertificateStore,
        aws: AwsAccess,
        node: str | None = None,
        registry_address: str | None = None,
        volume: DataVolume | None = None,
        connect_timeout_seconds: int = 300,
    ) -> None:
        """Define the steps.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it runs the steps again.
            machine: The machine; its user data brings the socket.
            address: The machine's address, and the certificate's subject alternative name.
            port: TCP port of the API.
            ssh: How to reach the machine.
            store: Where certificates are issued.
            aws: How to ask for the machine's console.
            node: The machine's name, where it is one of several.
            registry_address: The private address of the machine with the swarm's own image
                registry, where there is a swarm.
            volume: What Docker's data lies on, attached; the machine's own disk where unset.
            connect_timeout_seconds: How long to wait for SSH, 1 or more.

        Raises:
            ValueError: The time-out is not positive.
        """
        if connect_timeout_seconds < 1:
            msg = (
                "docker api: connect_timeout_seconds: must be at least 1, "
                f"got {connect_timeout_seconds}"
            )
            raise ValueError(msg)
        super().__init__(scope, id_)
        ip = address.public_ip
        remote = Remote.to(
            ip, machine=machine.id, ssh=ssh, connect_timeout_seconds=connect_timeout_seconds
        )
        names = ["init.sh", "open-docker-api.sh"]
        knows: list[FileProvisioner | RemoteExecProvisioner] = []
        if registry_address is not None:
            names.append(_KNOW_REGISTRY)
            command = f"sudo bash {STAGING}/{_KNOW_REGISTRY} "
            told = f" {REGISTRY_NAME} {REGISTRY_PORT}"
            knows = [
                remote.upload(SCRIPTS / _KNOW_REGISTRY, _KNOW_REGISTRY),
                remote.run(joined(command, registry_address, told)),
            ]
        uses: list[FileProvisioner | RemoteExecProvisioner] = []
        if volume is not None:
            names.append(_DATA_VOLUME)
            uses = [
                remote.upload(SCRIPTS / _DATA_VOLUME, _DATA_VOLUME),
                remote.run(joined(f"sudo bash {STAGING}/{_DATA_VOLUME} use ", volume.id)),
            ]
        scripts = {name: SCRIPTS / name for name in names}
        folders = ("--pki", str(store.pki), "--certificates", str(store.certificates))
        install = PkiFiles(pki_dir=store.pki, certificates_dir=store.certificates)
        of_node = () if node is None else ("--node", node)
        self.resource = terraform_data(
            self,
            "Resource",
            triggers={
                "machine": machine.id,
                "address": ip,
                "certificate": store.request,
                "clients": store.clients,
                **({} if registry_address is None else {"registry": registry_address}),
                **({} if volume is None else {"volume": volume.id}),
                **{name: digest(file) for name, file in scripts.items()},
            },
            provisioners=[
                learn_host_keys(machine, ip, ssh=ssh, aws=aws, seconds=connect_timeout_seconds),
                remote.make_staging(ssh.user),
                *uses,
                remote.upload(scripts["init.sh"], "init.sh"),
                remote.run(f"sudo bash {STAGING}/init.sh"),
                remote.upload(scripts["open-docker-api.sh"], "open-docker-api.sh"),
                remote.run(f"sudo bash {STAGING}/open-docker-api.sh request"),
                run_module(
                    "constructs_lib.host.server_certificate",
                    *folders,
                    *("--machine", machine.id, "--address", ip),
                    *("--user", ssh.user, "--port", str(ssh.port)),
                    *("--key", str(ssh.private_key_file), "--hosts", str(ssh.hosts)),
                    *of_node,
                ),
                *(remote.upload(install.install_dir_of(node) / name, name) for name in INSTALLED),
                *knows,
                remote.run(f"sudo bash {STAGING}/open-docker-api.sh {port}"),
                run_module(
                    "constructs_lib.host.docker_api_probe",
                    *("--host", ip, "--port", str(port)),
                    *folders,
                    *(() if node is None else ("--keep",)),
                ),
            ],
            depends_on=[address.resource, *([] if volume is None else [volume.attachment])],
        )


def learn_host_keys(
    machine: Machine, address: str, *, ssh: SshAccess, aws: AwsAccess, seconds: int
) -> LocalExecProvisioner:
    """Return the step that learns a machine's host keys, before anything is sent to it.

    Args:
        machine: The machine.
        address: Its address.
        ssh: How to reach it, and where the keys are kept.
        aws: How to ask for its console.
        seconds: How long to wait.
    """
    return run_module(
        "constructs_lib.host.host_key",
        *("--machine", machine.id, "--address", address, "--port", str(ssh.port)),
        *("--hosts", str(ssh.hosts), "--timeout", str(seconds)),
        *_expected(ssh.host_keys),
        *aws.words,
    )


def digest(file: Path) -> str:
    """Return what changes with a file's content, and with nothing else.

    Args:
        file: The file.
    """
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _expected(fingerprints: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for fingerprint in fingerprints for word in ("--expect", fingerprint))
