"""Machines behind the emulated API: booted, reached, changed and removed for real."""

from __future__ import annotations

import base64
import json
import socket
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from trial_sandbox import (
    SETTINGS,
    Shell,
    client,
    is_open,
    make_sandbox,
    new_key,
    running,
    wait_for,
)

from constructs_lib.host import user_data
from constructs_lib.host.cloud_config import render
from moor.first_boot import is_without_user_data
from sandbox.engine.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.lifecycle import Sandbox

SSH = 2222
USUAL_SSH = 22
HTTP = 9200
DOCKER = 2376
# Its sandbox has the ports and networks of other modules.
pytestmark = pytest.mark.alone

METADATA = "moor-sandbox-test-metadata"
SCRIPTS = Path(user_data.__file__).parent / "scripts"
HERE = "127.0.0.0/8"
ELSEWHERE = "203.0.113.0/24"

USER_DATA = f"""\
#cloud-config
write_files:
  - path: /etc/from-user-data
    permissions: "0640"
    content: hello
coreos:
  units:
    - name: sshd.socket
      command: restart
      drop_ins:
        - name: 10-port.conf
          content: |
            [Socket]
            ListenStream=
            ListenStream={SSH}
    - name: docker.service
      drop-ins:
        - name: 10-old-spelling.conf
          content: |
            [Service]
"""

WRONG_OPTION = """\
#cloud-config
coreos:
  units:
    - name: docker.service
      drop_ins:
        - name: 10-wrong.conf
          content: |
            [Service]
            Environment=DOCKER_OPTS=--no-such-option
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """What the tests share.

    Attributes:
        sandbox: The running sandbox.
        ec2: Its EC2 client.
        shell: SSH with the key pair's key.
        image: The machine image's id.
        group: A security group that opens SSH to us and HTTP to others.
        instances: What to terminate at the end.
    """

    sandbox: Sandbox
    ec2: Any
    shell: Shell
    image: str
    group: str
    instances: list[str] = field(default_factory=list)

    def run(self, user_data: str = USER_DATA) -> str:
        """Run an instance. Returns its id."""
        answer = self.ec2.run_instances(
            ImageId=self.image,
            InstanceType="t3.small",
            KeyName="trial",
            MaxCount=1,
            MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            MinCount=1,
            SecurityGroupIds=[self.group],
            UserData=user_data,
        )
        instance: str = answer["Instances"][0]["InstanceId"]
        self.instances.append(instance)
        return instance

    def attach(self, instance: str) -> tuple[str, str]:
        """Give an instance a new Elastic IP. Returns the address and its allocation."""
        eip = self.ec2.allocate_address(Domain="vpc")
        self.ec2.associate_address(InstanceId=instance, AllocationId=eip["AllocationId"])
        return eip["PublicIp"], eip["AllocationId"]

    def rule(self, action: str, port: int, cidr: str) -> None:
        """Authorize or revoke a rule."""
        permission = {
            "IpProtocol": "tcp",
            "FromPort": port,
            "ToPort": port,
            "IpRanges": [{"CidrIp": cidr}],
        }
        method = getattr(self.ec2, f"{action}_security_group_ingress")
        method(GroupId=self.group, IpPermissions=[permission])

    def names(self) -> list[str]:
        """Return the names of all containers and volumes of the sandbox."""
        docker = connect(self.sandbox.status().engine_url)
        filters = {"label": "moor.environment=sandbox-test"}
        containers = docker.api.containers(all=True, filters=filters)
        found = [c["Names"][0].lstrip("/") for c in containers]
        found += [v.name for v in docker.volumes.list(filters=filters)]
        docker.close()
        return sorted(found)

    def state(self, instance: str) -> str:
        """Return an instance's state as EC2 tells it."""
        answer = self.ec2.describe_instances(InstanceIds=[instance])
        state: str = answer["Reservations"][0]["Instances"][0]["State"]["Name"]
        return state


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Start a sandbox with a key pair and a security group."""
    key = tmp_path_factory.mktemp("ssh") / "id"
    public = new_key(key)
    with running(make_sandbox()) as sandbox:
        ec2 = client(sandbox, "ec2")
        ec2.import_key_pair(KeyName="trial", PublicKeyMaterial=public.encode())
        images = ec2.describe_images(
            Owners=["075585003325"],
            Filters=[
                {"Name": "name", "Values": ["Flatcar-stable-*-hvm"]},
                {"Name": "architecture", "Values": ["x86_64"]},
            ],
        )["Images"]
        assert [image["State"] for image in images] == ["available"]
        vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])
        group = ec2.create_security_group(
            GroupName="trial", Description="trial", VpcId=vpc["Vpcs"][0]["VpcId"]
        )
        made = Cloud(
            sandbox=sandbox,
            ec2=ec2,
            shell=Shell(key=key, port=SSH),
            image=images[0]["ImageId"],
            group=group["GroupId"],
        )
        made.rule("authorize", SSH, HERE)
        made.rule("authorize", HTTP, ELSEWHERE)
        yield made


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine that is up.

    Attributes:
        instance: Its id.
        address: Its Elastic IP.
        allocation: The Elastic IP's allocation.
    """

    instance: str
    address: str
    allocation: str


@pytest.fixture(scope="module")
def host(cloud: Cloud) -> Host:
    """Run a machine that the tests below share; each leaves it as it found it."""
    instance = cloud.run()
    address, allocation = cloud.attach(instance)
    return Host(instance=instance, address=address, allocation=allocation)


def get(address: str, path: str = "/") -> bytes:
    with urllib.request.urlopen(f"http://{address}:{HTTP}{path}", timeout=5) as answer:
        data: bytes = answer.read()
        return data


def test_the_key_pair_opens_the_machine(cloud: Cloud, host: Host) -> None:
    assert cloud.shell.output(host.address, "id -un; id -u; sudo id -u") == "core\n500\n0"


def test_another_key_does_not(cloud: Cloud, host: Host, tmp_path: Path) -> None:
    new_key(tmp_path / "other")
    refused = Shell(key=tmp_path / "other", port=SSH).run(host.address, "true")
    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr
    assert cloud.shell.run(host.address, "true").returncode == 0


def test_the_address_is_one_of_the_sandbox_and_what_ec2_tells(cloud: Cloud, host: Host) -> None:
    assert host.address == str(SETTINGS.addresses[2])
    found = cloud.ec2.describe_instances(InstanceIds=[host.instance])
    instance = found["Reservations"][0]["Instances"][0]
    assert instance["PublicIpAddress"] == host.address
    inside = cloud.shell.output(host.address, "hostname -I").split()
    assert instance["PrivateIpAddress"] in inside


def test_only_what_the_groups_open_to_us_is_open(cloud: Cloud, host: Host) -> None:
    status = cloud.sandbox.status()
    assert [i.ports for i in status.instances if i.id == host.instance] == [(SSH,)]
    assert is_open(host.address, SSH)
    # Open to another network, and not open at all.
    assert not is_open(host.address, HTTP)
    assert not is_open(host.address, 22)


def test_a_changed_rule_acts_at_once_and_cuts_nothing(cloud: Cloud, host: Host) -> None:
    with socket.create_connection((host.address, SSH), timeout=10) as before:
        assert before.recv(100).startswith(b"SSH-2.0-")
        cloud.rule("authorize", 8080, HERE)
        try:
            assert is_open(host.address, 8080)
        finally:
            cloud.rule("revoke", 8080, HERE)
        assert not is_open(host.address, 8080)
        # The connection from before the changes still leads to sshd.
        before.sendall(b"no protocol\r\n")
        wait_for(lambda: before.recv(1000) == b"", "sshd hangs up")
    assert is_open(host.address, SSH)


def test_groups_of_an_instance_can_be_exchanged(cloud: Cloud, host: Host) -> None:
    vpc = cloud.ec2.describe_security_groups(GroupIds=[cloud.group])["SecurityGroups"][0]["VpcId"]
    other = cloud.ec2.create_security_group(GroupName="shut", Description="x", VpcId=vpc)["GroupId"]
    cloud.ec2.modify_instance_attribute(InstanceId=host.instance, Groups=[other])
    try:
        assert not is_open(host.address, SSH)
    finally:
        cloud.ec2.modify_instance_attribute(InstanceId=host.instance, Groups=[cloud.group])
    assert is_open(host.address, SSH)
    cloud.ec2.delete_security_group(GroupId=other)


def test_the_old_spelling_of_drop_ins_is_ignored_and_seen_on_the_console(
    cloud: Cloud, host: Host
) -> None:
    console = cloud.ec2.get_console_output(InstanceId=host.instance)["Output"]
    assert "ignoring unknown key coreos.units[].drop-ins" in console
    folder = "/etc/systemd/system/docker.service.d"
    assert cloud.shell.run(host.address, f"test -e {folder}").returncode == 1


def test_it_is_like_flatcar_where_it_matters(cloud: Cloud, host: Host) -> None:
    # systemd and Docker are near Flatcar's, or what an older mirror has.
    told = cloud.shell.output(
        host.address, ". /etc/os-release; echo $VERSION_ID; systemctl --version; docker --version"
    )
    debian = told.splitlines()[0]
    systemd, docker = {"13": (257, 26), "12": (252, 20)}[debian]
    assert f"systemd {systemd} (" in told
    assert f"Docker version {docker}." in told
    # Docker's units come as an extension's do: upheld, and its service not enabled.
    show = "systemctl show --value --property"
    assert cloud.shell.output(host.address, f"{show} PartOf docker.socket") == "docker.service"
    upheld = cloud.shell.output(host.address, f"{show} Upholds sockets.target")
    assert "docker.socket" in upheld.split()
    # /usr is read-only, there is no Python, and Docker waits for its socket.
    assert cloud.shell.run(host.address, "sudo touch /usr/x").returncode == 1
    assert cloud.shell.run(host.address, "command -v python3").returncode == 1
    assert cloud.shell.run(host.address, "systemctl is-enabled docker.service").returncode == 1
    assert cloud.shell.output(host.address, "systemctl is-active docker.socket") == "active"


NEW_SESSION = (
    "-X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token"
)


def test_the_metadata_service_tells_a_machine_about_itself(cloud: Cloud, host: Host) -> None:
    ask = (
        f"T=$(curl -sf {NEW_SESSION}); "
        "for path in instance-id public-ipv4 public-keys/0/openssh-key; do "
        'curl -sf -H "X-aws-ec2-metadata-token: $T" '
        "http://169.254.169.254/latest/meta-data/$path; echo; done"
    )
    instance, public, key = cloud.shell.output(host.address, ask).splitlines()
    assert (instance, public) == (host.instance, host.address)
    assert key in cloud.shell.output(host.address, "cat .ssh/authorized_keys")
    anybody = "curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/latest/user-data"
    assert cloud.shell.output(host.address, anybody) == "401"
    environment = cloud.shell.output(host.address, "cat /etc/environment").splitlines()
    found = cloud.ec2.describe_instances(InstanceIds=[host.instance])
    private = found["Reservations"][0]["Instances"][0]["PrivateIpAddress"]
    assert f"COREOS_PRIVATE_IPV4={private}" in environment
    # Nothing else brings the user data: no file was put into the machine.
    left = cloud.shell.output(host.address, "sudo ls /var/lib/moor").split()
    assert not {"user-data", "authorized-keys", "addresses"} & {*left}


def test_a_container_of_the_machine_gets_no_token(cloud: Cloud, host: Host) -> None:
    image = f"{cloud.sandbox.registry}/busybox:1.36"
    request = (
        "PUT /latest/api/token HTTP/1.0\\r\\nX-aws-ec2-metadata-token-ttl-seconds: 60\\r\\n\\r\\n"
    )
    inner = f"printf '{request}' | timeout 3 nc 169.254.169.254 80"
    ask = f'docker run --rm {image} sh -c "{inner}"'
    assert "200 OK" not in cloud.shell.run(host.address, ask).stdout
    # One hop more, and the answer reaches it.
    change = cloud.ec2.modify_instance_metadata_options
    change(InstanceId=host.instance, HttpPutResponseHopLimit=2, HttpTokens="required")
    try:
        assert "200 OK" in cloud.shell.run(host.address, ask).stdout
    finally:
        change(InstanceId=host.instance, HttpPutResponseHopLimit=1, HttpTokens="required")


def test_user_data_is_applied_at_every_boot(cloud: Cloud, host: Host) -> None:
    file = "/etc/from-user-data"
    assert cloud.shell.output(host.address, f"sudo cat {file}; stat -c %a {file}") == "hello640"
    cloud.shell.output(host.address, f"sudo rm {file}; sudo touch /run/this-boot /etc/kept")
    cloud.ec2.reboot_instances(InstanceIds=[host.instance])
    assert cloud.shell.output(host.address, f"sudo cat {file}; ls /etc/kept") == "hello/etc/kept"
    assert cloud.shell.run(host.address, "test -e /run/this-boot").returncode == 1


def test_a_stopped_machine_comes_back_with_its_address_and_disk(cloud: Cloud, host: Host) -> None:
    cloud.shell.output(host.address, "echo kept > note")
    cloud.ec2.stop_instances(InstanceIds=[host.instance])
    assert cloud.state(host.instance) == "stopped"
    assert not is_open(host.address, SSH)
    cloud.ec2.start_instances(InstanceIds=[host.instance])
    assert cloud.state(host.instance) == "running"
    assert cloud.shell.output(host.address, "cat note") == "kept"
    found = cloud.ec2.describe_instances(InstanceIds=[host.instance])
    assert found["Reservations"][0]["Instances"][0]["PublicIpAddress"] == host.address


def test_images_of_the_registry_run_on_the_machine(cloud: Cloud, host: Host) -> None:
    image = f"{cloud.sandbox.registry}/elasticsearch:8.15.3"
    run = f"docker run --detach --name search --hostname one --publish {HTTP}:9200"
    volume = "--volume search:/usr/share/elasticsearch/data"
    cloud.shell.output(host.address, f"{run} {volume} {image}")
    cloud.rule("authorize", HTTP, HERE)
    try:
        wait_for(lambda: _answers(host.address), "the service answers")
        first = json.loads(get(host.address))
        assert first["name"] == "one"
        assert first["tagline"] == "You Know, for Search"
        assert json.loads(get(host.address, "/_cluster/health"))["status"] == "green"
        cloud.shell.output(host.address, "docker rm --force search")
        cloud.shell.output(host.address, f"{run} {volume} {image}")
        wait_for(lambda: _answers(host.address), "the service answers again")
        # The identity is in the volume.
        assert json.loads(get(host.address))["cluster_uuid"] == first["cluster_uuid"]
    finally:
        cloud.rule("revoke", HTTP, HERE)
        cloud.shell.run(host.address, "docker rm --force search; docker volume rm search")


def _answers(address: str) -> bool:
    try:
        return bool(get(address))
    except (OSError, urllib.error.URLError):
        return False


def test_an_image_can_be_built_on_the_machine(cloud: Cloud, host: Host) -> None:
    base = f"{cloud.sandbox.registry}/busybox:1.36"
    dockerfile = f"FROM {base}\\nRUN echo built > /proof\\n"
    build = f"printf '{dockerfile}' | DOCKER_BUILDKIT=0 docker build --quiet --tag made -"
    cloud.shell.output(host.address, build)
    assert cloud.shell.output(host.address, "docker run --rm made cat /proof") == "built"


def test_an_elastic_ip_moves_to_another_machine(cloud: Cloud, host: Host) -> None:
    name = cloud.shell.output(host.address, "hostname")
    other = cloud.run()
    arguments = {"AllocationId": host.allocation, "AllowReassociation": True}
    cloud.ec2.associate_address(InstanceId=other, **arguments)
    try:
        moved = cloud.shell.output(host.address, "hostname")
        assert moved != name
    finally:
        cloud.ec2.associate_address(InstanceId=host.instance, **arguments)
    assert cloud.shell.output(host.address, "hostname") == name
    cloud.ec2.terminate_instances(InstanceIds=[other])
    assert not [n for n in cloud.names() if other in n]


def test_a_taken_port_fails_the_call_and_is_named(cloud: Cloud, host: Host) -> None:
    cloud.ec2.disassociate_address(PublicIp=host.address)
    assert not is_open(host.address, SSH)
    arguments = {"InstanceId": host.instance, "AllocationId": host.allocation}
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((host.address, SSH))
        other.listen()
        with pytest.raises(ClientError) as caught:
            cloud.ec2.associate_address(**arguments)
    assert caught.value.response["Error"] == {
        "Code": "MoorSandboxFailure",
        "Message": (
            f"{host.address}:{SSH}: must be free, got a port that another program listens on "
            "(perhaps on all addresses); stop it, or choose another port in the settings"
        ),
    }
    address = cloud.ec2.describe_addresses(PublicIps=[host.address])["Addresses"][0]
    assert "AssociationId" not in address
    cloud.ec2.associate_address(**arguments)
    assert is_open(host.address, SSH)


# A metadata service that is late


def docker_user_data() -> str:
    """Return the user data of a Docker host."""
    return render(user_data.docker_host(docker_port=DOCKER, ssh_port=SSH))


def run_before_the_metadata_service(cloud: Cloud) -> Host:
    """Run a machine; the metadata service comes when it has been asked for a token in vain."""
    docker = connect(cloud.sandbox.status().engine_url)
    machines = {"label": ["moor.environment=sandbox-test", "moor.role=machine"]}
    known = {item["Id"] for item in docker.api.containers(filters=machines)}
    service = docker.containers.get(METADATA)
    made: list[str] = []
    thread = threading.Thread(target=lambda: made.append(cloud.run(docker_user_data())))

    def asked_in_vain() -> bool:
        new = {item["Id"] for item in docker.api.containers(filters=machines)} - known
        return any(b"error: Unable to fetch data" in docker.api.logs(name) for name in new)

    def address(action: str) -> None:
        command = ["ip", "address", action, "169.254.169.254/32", "dev", "eth0"]
        assert service.exec_run(command).exit_code == 0

    address("delete")
    try:
        thread.start()
        wait_for(asked_in_vain, "the machine asks for a token")
    finally:
        address("add")
        thread.join()
        docker.close()
    (instance,) = made
    public, allocation = cloud.attach(instance)
    return Host(instance=instance, address=public, allocation=allocation)


# The service is there from the first machine on.
@pytest.mark.usefixtures("host")
def test_a_first_boot_without_user_data_is_healed_over_ssh(cloud: Cloud) -> None:
    host = run_before_the_metadata_service(cloud)
    cloud.rule("authorize", USUAL_SSH, HERE)
    try:
        # The keys are there, the port is not: it is in the user data.
        shell = replace(cloud.shell, port=USUAL_SSH)
        assert shell.run(host.address, "test -e /etc/docker/refuse-strangers.sh").returncode == 1
        state = "systemctl show --value --property ActiveState oem-cloudinit"
        assert shell.output(host.address, state) == "activating"
        script = base64.b64encode((SCRIPTS / "init.sh").read_bytes()).decode()
        said = shell.output(host.address, f"echo {script} | base64 -d | sudo bash -s -- 60")
    finally:
        cloud.rule("revoke", USUAL_SSH, HERE)
    assert "starting oem-cloudinit.service again" in said
    assert "user data is applied, Docker runs" in said
    assert cloud.shell.output(host.address, "systemctl is-enabled docker.service") == "enabled"
    cloud.ec2.terminate_instances(InstanceIds=[host.instance])


@pytest.mark.usefixtures("host")
def test_a_first_boot_without_user_data_is_told_by_the_console_and_healed_by_another(
    cloud: Cloud,
) -> None:
    host = run_before_the_metadata_service(cloud)
    assert cloud.shell.run(host.address, "true").returncode == 255
    console = cloud.ec2.get_console_output(InstanceId=host.instance)["Output"]
    assert is_without_user_data(console)
    cloud.ec2.reboot_instances(InstanceIds=[host.instance])
    assert cloud.shell.run(host.address, "true").returncode == 0
    assert not is_without_user_data(
        cloud.ec2.get_console_output(InstanceId=host.instance)["Output"]
    )
    cloud.ec2.terminate_instances(InstanceIds=[host.instance])


# A Docker host


# One certificate for all: the server's, its authority's, and the client's that is let in.
OPEN = """
cd /etc/docker
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj /CN=x \\
  -addext subjectAltName=IP:127.0.0.1 -keyout server-key.pem -out server.pem 2>/dev/null
cp server.pem ca.pem
cp server.pem clients.pem
f=/etc/docker/server
echo "DOCKER_OPTS=--tlsverify --tlscacert=$f.pem --tlscert=$f.pem --tlskey=$f-key.pem" > tls.env
systemctl enable docker-tls-tcp.socket
systemctl stop docker
systemctl reset-failed
systemctl start docker
"""
ANSWERS = (
    "sudo curl -sf --cacert /etc/docker/server.pem --cert /etc/docker/server.pem "
    f"--key /etc/docker/server-key.pem https://127.0.0.1:{DOCKER}/_ping"
)
LISTENS = f"ss -Hltn 'sport = :{DOCKER}'"

# systemd is told of the extension late, and then somebody is quicker than the boot.
LATE = """
mkdir -p /etc/systemd/system/ensure-sysext.service.d
cat > /etc/systemd/system/ensure-sysext.service.d/late.conf <<'END'
[Service]
ExecStart=
ExecStart=/bin/sleep 1
ExecStart=/bin/systemctl daemon-reload
ExecStart=/bin/sh -c 'until systemctl -q is-active docker.socket; do sleep 0.1; done; docker info'
ExecStart=/bin/systemctl restart --no-block sockets.target timers.target multi-user.target
END
"""
SETTLED = "systemctl is-active ensure-sysext && systemctl list-jobs | grep -q '^No jobs'"
OS_WITHOUT_OPTIONS = """
cat > /etc/systemd/system/docker.service.d/99-os.conf <<'END'
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd --host=fd:// --containerd=/run/containerd/containerd.sock
END
systemctl daemon-reload
systemctl restart docker || true
"""


def as_root(cloud: Cloud, host: Host, script: str) -> str:
    """Run a script as root. Returns what it printed."""
    packed = base64.b64encode(script.encode()).decode()
    return cloud.shell.output(host.address, f"echo {packed} | base64 -d | sudo bash -e")


@pytest.fixture(scope="module")
def docker_machine(cloud: Cloud) -> Host:
    """Run a Docker host whose API is open to who has its certificate."""
    instance = cloud.run(docker_user_data())
    address, allocation = cloud.attach(instance)
    host = Host(instance=instance, address=address, allocation=allocation)
    as_root(cloud, host, OPEN)
    return host


def test_the_open_port_refuses_strangers_after_each_start(
    cloud: Cloud, docker_machine: Host
) -> None:
    assert cloud.shell.output(docker_machine.address, ANSWERS) == "OK"
    probe = f"sudo bash /etc/docker/refuse-strangers.sh {DOCKER}"
    assert cloud.shell.run(docker_machine.address, probe).returncode == 0
    cloud.ec2.reboot_instances(InstanceIds=[docker_machine.instance])
    assert cloud.shell.output(docker_machine.address, ANSWERS) == "OK"


def test_a_request_before_the_extension_is_merged_leaves_the_port_open(
    cloud: Cloud, docker_machine: Host
) -> None:
    as_root(cloud, docker_machine, LATE)
    try:
        cloud.ec2.reboot_instances(InstanceIds=[docker_machine.instance])
        wait_for(
            lambda: cloud.shell.run(docker_machine.address, ANSWERS).stdout == "OK",
            "the API answers",
        )
        # The last restart of targets goes on after that, and sshd's socket is in one of them.
        wait_for(
            lambda: cloud.shell.run(docker_machine.address, SETTLED).returncode == 0,
            "the machine has started whole",
        )
    finally:
        as_root(cloud, docker_machine, "rm -r /etc/systemd/system/ensure-sysext.service.d")


def test_docker_does_not_start_with_options_that_take_tls_back(
    cloud: Cloud, docker_machine: Host
) -> None:
    address = docker_machine.address
    as_root(
        cloud,
        docker_machine,
        "sed -i 's/$/ --tlsverify=false/' /etc/docker/tls.env; systemctl restart docker || true",
    )
    said = cloud.shell.output(address, "sudo journalctl -b -u docker -o cat")
    assert "docker-tls-tcp.socket must be inactive where DOCKER_OPTS lacks --tlsverify" in said
    plain = f"curl -s --max-time 3 http://127.0.0.1:{DOCKER}/_ping"
    assert cloud.shell.run(address, plain).returncode != 0
    as_root(cloud, docker_machine, OPEN)
    assert cloud.shell.output(address, ANSWERS) == "OK"


def test_an_os_that_hands_on_no_options_ends_with_the_port_closed(
    cloud: Cloud, docker_machine: Host
) -> None:
    address = docker_machine.address
    as_root(cloud, docker_machine, OS_WITHOUT_OPTIONS)
    wait_for(
        lambda: cloud.shell.run(address, "docker version").returncode == 0,
        "Docker answers on the machine",
    )
    assert cloud.shell.output(address, LISTENS) == ""
    said = cloud.shell.output(address, "sudo journalctl -b -u docker -o cat")
    assert (
        "refuse-strangers.sh: plain HTTP: must be refused, got 0/200 (curl/HTTP status); port "
        f"{DOCKER} is closed until the next deployment"
    ) in said
    # For good.
    cloud.ec2.reboot_instances(InstanceIds=[docker_machine.instance])
    assert cloud.shell.output(address, LISTENS) == ""
    assert cloud.shell.run(address, "docker version").returncode == 0
    cloud.ec2.terminate_instances(InstanceIds=[docker_machine.instance])


@pytest.mark.parametrize(
    ("user_data", "reason", "detail"),
    [
        (
            "#cloud-config\ncoreos: [\n",
            "the user data could not be applied",
            "user-data: Failed to parse user-data: user data: must be YAML:",
        ),
        (
            WRONG_OPTION,
            "Docker does not answer",
            "--no-such-option",
        ),
    ],
)
def test_a_machine_that_does_not_boot_fails_the_call_with_its_console(
    cloud: Cloud, user_data: str, reason: str, detail: str
) -> None:
    before = cloud.names()
    known = {i.id for i in cloud.sandbox.status().instances}
    with pytest.raises(ClientError) as caught:
        cloud.run(user_data)
    error = caught.value.response["Error"]
    assert error["Code"] == "MoorSandboxFailure"
    assert f"must boot, got: {reason}\n" in error["Message"]
    assert detail in error["Message"]
    assert "the end of its console:\n" in error["Message"]
    assert cloud.names() == before
    assert {i.id for i in cloud.sandbox.status().instances} == known


def test_an_unknown_key_pair_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match=r"InvalidKeyPair\.NotFound"):
        cloud.ec2.run_instances(
            ImageId=cloud.image, InstanceType="t3.small", KeyName="none", MinCount=1, MaxCount=1
        )


def test_start_puts_right_what_changed_beneath(cloud: Cloud, host: Host) -> None:
    docker = connect(cloud.sandbox.status().engine_url)
    machine = f"moor-sandbox-test-{host.instance}"
    gates = {"label": ["moor.environment=sandbox-test", "moor.role=gate"]}
    for gate in docker.api.containers(filters=gates):
        docker.api.remove_container(gate["Id"], force=True)
    docker.api.remove_container(METADATA, force=True)
    docker.containers.get(machine).stop()
    docker.close()
    assert not is_open(host.address, SSH)
    status = cloud.sandbox.start()
    assert status.changes == (
        "the metadata service was down; started",
        f"{host.instance}: its machine was down; started",
    )
    assert cloud.shell.output(host.address, "cat /etc/hostname")
    assert cloud.sandbox.start().changes == ()


def test_a_vanished_machine_counts_as_terminated(cloud: Cloud) -> None:
    instance = cloud.run()
    address, _ = cloud.attach(instance)
    docker = connect(cloud.sandbox.status().engine_url)
    docker.api.remove_container(f"moor-sandbox-test-{instance}", force=True, v=True)
    docker.close()
    status = cloud.sandbox.start()
    assert status.changes == (f"{instance}: its machine is gone; it counts as terminated",)
    assert cloud.state(instance) == "terminated"
    assert not is_open(address, SSH)


def test_terminating_removes_the_machine_with_its_disk(cloud: Cloud) -> None:
    before = cloud.names()
    instance = cloud.run()
    address, allocation = cloud.attach(instance)
    made = sorted(set(cloud.names()) - set(before))
    machine = f"moor-sandbox-test-{instance}"
    assert made[:3] == [machine, f"{machine}-containerd", f"{machine}-docker"]
    assert made[3].startswith(f"{machine}-gate-")
    assert len(made) == 4
    cloud.ec2.terminate_instances(InstanceIds=[instance])
    assert cloud.names() == before
    assert cloud.state(instance) == "terminated"
    assert not is_open(address, SSH)
    cloud.ec2.release_address(AllocationId=allocation)
