"""Docker's remote API on a machine: opened over SSH, proved from outside."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdktf import FileProvisioner, RemoteExecProvisioner, SSHProvisionerConnection
from constructs import Construct

from constructs_lib.terraform.literal import content_of_file, define, joined
from constructs_lib.terraform.steps import run_module, terraform_data

if TYPE_CHECKING:
    from constructs_lib.aws.elastic_ip import ElasticIp
    from constructs_lib.aws.machine import Machine

SCRIPTS: Final = Path(__file__).parent / "scripts"
STAGING: Final = "/run/moor"
"""Where files arrive on the machine: in memory, and open to nobody but the SSH user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAccess:
    """How to reach a machine over SSH.

    Attributes:
        user: The user on the machine, with `sudo` and no password.
        port: TCP port of sshd.
        private_key_file: The private key. Terraform reads the file during apply, so the
            key itself is in no configuration, plan or state.
    """

    user: str
    port: int
    private_key_file: Path

    def command(self, host: str) -> str:
        """Return the command that opens a shell on the machine.

        Args:
            host: The machine's address, which may be a token.
        """
        key = shlex.quote(str(self.private_key_file))
        return joined(f"ssh -p {self.port} -i {key} {self.user}@", host)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStore:
    """The folders that the server certificate is issued from and into.

    Attributes:
        pki: The certificate authority's folder; `server.pem` and `server-key.pem` are here.
        certificates: The client's folder: `ca.pem`, `cert.pem`, `key.pem`.
        request: What identifies the server certificate before it is issued: it changes
            when, and only when, another certificate is due.
    """

    pki: Path
    certificates: Path
    request: str


class DockerApi(Construct):
    """The remote API behind mutual TLS.

    It is a resource of its own: a step that fails is repeated by the next deployment,
    and never taints the machine. The steps run again when the machine, its address,
    the certificate or a script changes, and at no other time:

    1. wait for the machine, and run `init.sh`, which waits for the user data;
    2. issue the server certificate for the address, and install it with its key;
    3. open the socket, and check on the machine that it refuses strangers;
    4. check from here that our certificate is answered, and that none, a foreign one
       and plain HTTP are refused.

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
        connect_timeout_seconds: int = 300,
    ) -> None:
        """Define the steps.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it runs the steps again.
            machine: The machine; its user data brings the socket and the CA.
            address: The machine's address, and the certificate's subject alternative name.
            port: TCP port of the API.
            ssh: How to reach the machine.
            store: Where the certificate is issued.
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
        connection = define(
            SSHProvisionerConnection,
            type="ssh",
            host=ip,
            port=ssh.port,
            user=ssh.user,
            private_key=content_of_file(str(ssh.private_key_file)),
            # An agent would offer its own keys first, and sshd gives up after six.
            agent="false",
            timeout=f"{connect_timeout_seconds}s",
        )
        scripts = {name: SCRIPTS / name for name in ("init.sh", "open-docker-api.sh")}
        self.resource = terraform_data(
            self,
            "Resource",
            triggers={
                "machine": machine.id,
                "address": ip,
                "certificate": store.request,
                **{name: _digest(file) for name, file in scripts.items()},
            },
            connection=connection,
            provisioners=[
                # The folder is private before anything arrives in it: files that
                # Terraform uploads are readable by everyone (mode 0644).
                _remote(f"sudo install -d -m 0700 -o {ssh.user} -g {ssh.user} {STAGING}"),
                _upload(scripts["init.sh"], "init.sh"),
                _remote(f"sudo bash {STAGING}/init.sh"),
                run_module(
                    "constructs_lib.identity.issue",
                    *("--pki", str(store.pki), "--certificates", str(store.certificates)),
                    *("--address", ip),
                ),
                _upload(store.pki / "server.pem", "server.pem"),
                _upload(store.pki / "server-key.pem", "server-key.pem"),
                _upload(scripts["open-docker-api.sh"], "open-docker-api.sh"),
                _remote(f"sudo bash {STAGING}/open-docker-api.sh {port}"),
                run_module(
                    "constructs_lib.host.docker_api_probe",
                    *("--host", ip, "--port", str(port)),
                    *("--certificates", str(store.certificates)),
                ),
            ],
            depends_on=[address.resource],
        )


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _remote(command: str) -> RemoteExecProvisioner:
    return define(RemoteExecProvisioner, type="remote-exec", inline=[command])


def _upload(source: Path, name: str) -> FileProvisioner:
    return define(FileProvisioner, type="file", source=str(source), destination=f"{STAGING}/{name}")
