"""Compose files become what `docker compose up` makes of them, and change as plans say.

Each file of the corpus is deployed to one machine by this project and by Compose, and all that
the engine says of the two is compared. What differs is fixed, or listed in `DIFFERENCES`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from compose_machine import PATIENCE_SECONDS, ROOT, ComposeMachine
from compose_snapshots import CORPUS, PROJECT, differences, same_ids, without_listed_differences
from hosted import Hosted, hosted
from hosted_trial import deploy_and_compare, ready
from refused_by_engines import REFUSED, TAKEN, document
from trial_sandbox import client, left_of, make_sandbox

from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.reader import load_project
from constructs_lib.host import engine as machine_engine
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor.health import found_in
from moor.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = sorted(file.parent.name for file in CORPUS.glob("*/compose.yaml"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeMachine]:
    """Deploy an environment of the tests' own, for its machine."""
    text = (ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8")
    for ours, others in (
        ("api_port: 4599", "api_port: 4696"),
        ("127.18.0.0/24", "127.23.0.0/24"),
        ("172.30.18", "172.30.23"),
        ("service_ports: [9200]", 'service_ports: [9200, 18100, "5300-5303/udp"]'),
    ):
        assert ours in text
        text = text.replace(ours, others)
    folder = tmp_path_factory.mktemp("compose")
    services = ROOT / "services" / "compose.yaml"
    file = folder / "compose-test.yaml"
    file.write_text(text.replace("../services/compose.yaml", str(services)), encoding="utf-8")
    environment = Environment(name=file.stem, settings_file=file, root=ROOT)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    variables["ENVIRONMENT"] = str(file)
    _command(variables, "down")
    shutil.rmtree(environment.directory, ignore_errors=True)
    settings = load_settings(file).sandbox
    assert settings is not None
    sandbox = make_sandbox(environment.name, settings)
    assert left_of(sandbox) == []
    _command(variables, "up")
    outputs = Outputs.load(environment)
    client = machine_engine.connect(outputs.docker_host, environment.certificates)
    # What files of the corpus call external.
    client.networks.create("the-warehouse")
    client.volumes.create("the-archive")
    yield ComposeMachine(
        environment=environment,
        docker_host=outputs.docker_host,
        registry=settings.registry,
        client=client,
        folder=folder,
    )
    client.close()
    _command(variables, "down")
    assert left_of(sandbox) == []
    shutil.rmtree(environment.directory)
    shutil.rmtree(environment.output)


def _command(variables: dict[str, str], word: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "moor", word],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def project(machine: ComposeMachine) -> Iterator[str]:
    """Return the name of a project of which nothing is there, before and after."""
    machine.remove(PROJECT)
    yield PROJECT
    machine.remove(PROJECT)


@pytest.mark.parametrize("name", FILES)
def test_the_engine_is_told_what_compose_would_tell_it(
    machine: ComposeMachine, project: str, name: str
) -> None:
    file = CORPUS / name / "compose.yaml"
    machine.apply(file, project)
    ours = same_ids(machine.snapshot(project), machine.names(project))
    assert machine.plan(file, project) == {}
    listed = machine.compose(file, project, "ps", "--all", "--format", "{{.Name}}").split()
    assert sorted(listed) == sorted(ours["containers"])
    machine.terraform("destroy", "-auto-approve", "-input=false")
    assert machine.snapshot(project) == {"containers": {}, "networks": {}, "volumes": {}}
    machine.put(file.parent)
    machine.compose(file, project, "up", "--detach", "--quiet-pull")
    theirs = same_ids(machine.snapshot(project), machine.names(project))
    found = differences(without_listed_differences(ours), without_listed_differences(theirs))
    assert found == {}


def test_files_secrets_and_configs_arrive_and_stay_out_of_the_state(
    machine: ComposeMachine, project: str
) -> None:
    file = CORPUS / "web_application" / "compose.yaml"
    machine.apply(file, project)
    web, db = f"{project}-web-1", f"{project}-db-1"
    assert machine.contents(
        [
            (web, "/usr/share/nginx/html/css/style.css"),
            (web, "/etc/banner.txt"),
            (web, "/etc/motd"),
            (web, "/run/secrets/api_key"),
            (web, "/run/secrets/session_key"),
            (db, "/run/secrets/db_password"),
        ]
    ) == {
        f"{web}:/usr/share/nginx/html/css/style.css": ("h1 { color: teal }\n", "0644", 0),
        f"{web}:/etc/banner.txt": ("open all day\n", "0644", 0),
        f"{web}:/etc/motd": (f"welcome to {project}, ${{user}}\n", "0440", 0),
        f"{web}:/run/secrets/api_key": ("not-a-real-key\n", "0444", 0),
        f"{web}:/run/secrets/session_key": ("the session's key", "0400", 33),
        f"{db}:/run/secrets/db_password": ("the database's password", "0444", 0),
    }
    written = [
        path
        for path in machine.folder.rglob("*")
        if path.is_file() and machine.folder / "vault" not in path.parents
    ]
    assert any(path.suffix == ".tfstate" for path in written)
    secrets = (b"not-a-real-key", b"the session's key", b"the database's password", b"welcome to")
    leaks = [(str(p), s) for p in written for s in secrets if s in p.read_bytes()]
    assert leaks == []
    for path in (machine.folder / "vault").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def _own_copy(machine: ComposeMachine, text: str) -> Path:
    file = machine.folder / "own" / "compose.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


THREE = """
services:
  a:
    image: ${REGISTRY}/busybox:1.36
    command: sleep 100000
    stop_signal: SIGKILL
    volumes: ["data:/data"]
  b:
    image: ${REGISTRY}/busybox:1.36
    command: sleep 100000
    stop_signal: SIGKILL
    depends_on: [a]
volumes: {data: }
"""


def _short(plan: dict[str, list[str]]) -> dict[str, list[str]]:
    return {re.sub(r"_[0-9A-F]{8}$", "", k): v for k, v in plan.items()}


REPLACED = ["delete", "create"]


def test_a_plan_tells_exactly_what_a_change_does(machine: ComposeMachine, project: str) -> None:
    file = _own_copy(machine, THREE)
    machine.apply(file, project)
    container = "docker_container.Compose_Services"
    changed = THREE.replace("    depends_on: [a]", "    depends_on: [a]\n    labels: {x: y}")
    assert _short(machine.plan(_own_copy(machine, changed), project)) == {
        f"{container}_b_1": REPLACED
    }
    changed = THREE.replace("    volumes:", "    environment: {A: b}\n    volumes:")
    assert _short(machine.plan(_own_copy(machine, changed), project)) == {
        f"{container}_a_1": REPLACED
    }
    # What the provider itself would change in vain, or not see at all.
    changed = THREE.replace("    volumes:", "    tmpfs: /x\n    init: true\n    volumes:")
    assert _short(machine.plan(_own_copy(machine, changed), project)) == {
        f"{container}_a_1": REPLACED
    }
    renamed = THREE.replace("  a:\n", "  z:\n").replace("[a]", "[z]")
    assert _short(machine.plan(_own_copy(machine, renamed), project)) == {
        f"{container}_a_1": ["delete"],
        f"{container}_z_1": ["create"],
    }
    removed = "services: {b: {image: '${REGISTRY}/busybox:1.36', command: sleep 100000, "
    removed += "stop_signal: SIGKILL}}\nvolumes: {data: }"
    assert _short(machine.plan(_own_copy(machine, removed), project)) == {
        f"{container}_a_1": ["delete"],
    }
    undeclared = removed.replace("volumes: {data: }", "")
    assert "docker_volume.Compose_Volumes_data" in _short(
        machine.plan(_own_copy(machine, undeclared), project)
    )


def test_a_volume_keeps_its_data_when_its_service_is_renamed(
    machine: ComposeMachine, project: str
) -> None:
    machine.apply(_own_copy(machine, THREE), project)
    writer = machine.client.containers.get(f"{project}-a-1")
    assert writer.exec_run(["sh", "-c", "echo kept > /data/x"]).exit_code == 0
    renamed = THREE.replace("  a:\n", "  z:\n").replace("[a]", "[z]")
    machine.apply(_own_copy(machine, renamed), project)
    reader = machine.client.containers.get(f"{project}-z-1")
    assert reader.exec_run(["cat", "/data/x"]).output == b"kept\n"


def _retag(machine: ComposeMachine, tag: str, suffix: bytes) -> None:
    """Let a tag stand for a manifest that is the same but for white space at its end."""
    base = f"http://{machine.registry}/v2/busybox/manifests"
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(f"{base}/1.36", headers={"Accept": kind})  # noqa: S310
    with opener.open(asked, timeout=10) as answer:
        manifest = answer.read()
    put = urllib.request.Request(  # noqa: S310  (it is HTTP, as above)
        f"{base}/{tag}", manifest + suffix, {"Content-Type": kind}, method="PUT"
    )
    with opener.open(put, timeout=10) as answer:
        assert answer.status == 201


def test_a_tag_that_moved_shows_unless_it_is_not_to(machine: ComposeMachine, project: str) -> None:
    text = THREE.replace("busybox:1.36", "busybox:moving", 1)
    still = text.replace("    command", "    pull_policy: missing\n    command", 1)
    _retag(machine, "moving", b" ")
    machine.apply(_own_copy(machine, text), project)
    _retag(machine, "moving", b"  ")
    changed = machine.plan(_own_copy(machine, text), project)
    assert any(address.startswith("docker_image.Compose_Images_") for address in changed)
    machine.apply(_own_copy(machine, still), project)
    _retag(machine, "moving", b"   ")
    assert machine.plan(_own_copy(machine, still), project) == {}


def test_a_service_that_becomes_unhealthy_fails_the_deployment_with_its_log(
    machine: ComposeMachine, project: str
) -> None:
    text = THREE.replace(
        "    volumes:",
        "    healthcheck: {test: 'echo no luck today; false', interval: 1s, retries: 2}\n"
        "    volumes:",
    ).replace("depends_on: [a]", "depends_on: {a: {condition: service_healthy}}")
    file = _own_copy(machine, text)
    machine.synth(file, project)
    machine.terraform("init", "-input=false")
    said = machine.terraform("apply", "-auto-approve", "-input=false", "-no-color", expect=1)
    assert f"{project}-a-1: must be healthy, got unhealthy" in " ".join(said.split())
    assert "no luck today" in said
    assert [c.name for c in machine.client.containers.list(filters={"name": project})] == [
        f"{project}-a-1"
    ]


def test_an_image_that_does_not_exist_is_told_with_its_service(
    machine: ComposeMachine, project: str
) -> None:
    file = _own_copy(machine, THREE.replace("busybox:1.36", "no-such-image:1", 1))
    machine.synth(file, project)
    machine.terraform("init", "-input=false")
    said = machine.terraform("plan", "-input=false", "-no-color", expect=1)
    assert "Compose_Images_Registry_" in said
    assert "no-such-image:1" in said


FOLDERS = """
x-all: &all
  image: ${REGISTRY}/busybox:1.36
  command: sleep 100000
  stop_signal: SIGKILL
services:
  app:
    <<: *all
    volumes: ["./data:/data", "./conf:/etc/app:ro", "./new:/new", "bound:/bound"]
    configs: [{source: motd, target: /etc/app/motd}]
  reader: {<<: *all, volumes: ["./data/sub:/sub:ro", "${PWD}/conf:/conf:ro"]}
  strict:
    <<: *all
    read_only: true
    volumes: ["./one.conf:/etc/one.conf:ro"]
    configs: [{source: motd, target: /etc/motd, mode: 0440}]
    secrets: [{source: key, uid: '33', gid: '34', mode: 0400}]
volumes:
  bound: {driver_opts: {type: none, o: bind, device: ./bound}}
configs: {motd: {content: "hello from ${COMPOSE_PROJECT_NAME}\\n"}}
secrets: {key: {environment: SESSION_KEY}}
"""


def _folders(machine: ComposeMachine, project: str) -> Path:
    file = _own_copy(machine, FOLDERS)
    folder = file.parent
    for name in ("data", "conf"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "data" / "sub").mkdir(parents=True)
    for name in ("a", "b", "c", "sub/s"):
        (folder / "data" / name).write_text(f"{name} 1\n", encoding="utf-8")
    (folder / "data" / "b").chmod(0o640)
    os.chown(folder / "data" / "b", 1000, 1001)
    (folder / "data" / "link").symlink_to("sub/s")
    (folder / "data").chmod(0o770)
    (folder / "conf").mkdir()
    (folder / "conf" / "app.ini").write_text("x=1\n", encoding="utf-8")
    (folder / "one.conf").write_text("one\n", encoding="utf-8")
    (folder / "one.conf").chmod(0o604)
    # What a run before has left on the machine is not this one's.
    words = f"sudo rm -rf /var/lib/moor/{project}"
    subprocess.run([*machine.ssh, words], check=True, capture_output=True)
    return file


def _in(machine: ComposeMachine, container: str, script: str) -> str:
    done = machine.client.containers.get(container).exec_run(["sh", "-c", script])
    assert done.exit_code == 0, done.output
    assert isinstance(done.output, bytes)
    return done.output.decode()


def test_a_folder_outlives_containers_and_gets_what_changes_here(
    machine: ComposeMachine, project: str
) -> None:
    file = _folders(machine, project)
    data = file.parent / "data"
    app, reader = f"{project}-app-1", f"{project}-reader-1"
    machine.apply(file, project)
    assert machine.plan(file, project) == {}
    assert _in(
        machine, app, "cd /data; stat -c '%n %a %u:%g' . a b sub/s; cat a link; readlink link"
    ) == (". 770 0:0\na 644 0:0\nb 640 1000:1001\nsub/s 644 0:0\na 1\nsub/s 1\nsub/s\n")
    shown = _in(machine, app, "ls /etc/app; cat /etc/app/motd; ls /new /bound | wc -l")
    assert shown == f"app.ini\nmotd\nhello from {project}\n3\n"
    assert _in(machine, reader, "cat /sub/s /conf/app.ini") == "sub/s 1\nx=1\n"
    for path in ("/sub/s", "/conf/app.ini"):
        refused = machine.client.containers.get(reader).exec_run(["touch", path])
        assert b"Read-only file system" in refused.output
    _in(machine, app, "cd /data; echo there >a; echo there >b; echo own >own; rm c; echo n >/new/n")
    (data / "a").write_text("a 2\n", encoding="utf-8")
    (data / "sub" / "new").write_text("new\n", encoding="utf-8")
    os.chown(data / "b", 1000, 1002)
    filled = "terraform_data.Compose_Folders_data"
    container = "docker_container.Compose_Services"
    assert _short(machine.plan(file, project)) == {
        filled: REPLACED,
        f"{container}_app_1": REPLACED,
        f"{container}_reader_1": REPLACED,
    }
    machine.apply(file, project)
    # Changed here as well: ours. Changed there alone: theirs, with the owner that it has here now.
    script = "cd /data; cat a b own sub/new /new/n; stat -c %a:%g b; test ! -e c"
    assert _in(machine, app, script) == "a 2\nthere\nown\nnew\nn\n640:1002\n"
    assert machine.plan(file, project) == {}
    (file.parent / "conf" / "app.ini").write_text("x=2\n", encoding="utf-8")
    changed = _short(machine.plan(file, project))
    assert filled not in changed
    assert changed["docker_volume.Compose_Folders_confro_Volume"] == REPLACED
    machine.apply(file, project)
    assert _in(machine, reader, "cat /conf/app.ini") == "x=2\n"
    copies = machine.client.volumes.list(filters={"label": "moor.copy-of=./conf"})
    assert len(copies) == 1
    machine.terraform("destroy", "-auto-approve", "-input=false")
    machine.apply(file, project)
    assert _in(machine, app, "cat /data/own /data/b") == "own\nthere\n"


def test_a_read_only_container_gets_files_configs_and_secrets(
    machine: ComposeMachine, project: str
) -> None:
    file = _folders(machine, project)
    machine.apply(file, project)
    strict = f"{project}-strict-1"
    paths = ("/etc/one.conf", "/etc/motd", "/run/secrets/key")
    assert machine.contents([(strict, path) for path in paths]) == {
        f"{strict}:/etc/one.conf": ("one\n", "0604", 0),
        f"{strict}:/etc/motd": (f"hello from {project}\n", "0440", 0),
        f"{strict}:/run/secrets/key": ("the session's key", "0400", 33),
    }
    assert _in(machine, strict, f"stat -c '%a %u:%g' {' '.join(paths)}; ls /run/secrets") == (
        "604 0:0\n440 0:0\n400 33:34\nkey\n"
    )
    (volume,) = machine.client.volumes.list(filters={"label": "moor.copy-of=files of strict"})
    place = volume.attrs["Mountpoint"]
    listed = subprocess.run(
        [*machine.ssh, f"sudo stat -c %a {place}; ls {place}"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (listed.stdout, "Permission denied" in listed.stderr) == ("700\n", True)
    state = (machine.folder / f"{project}.tfstate").read_text(encoding="utf-8")
    digest = hashlib.sha256(b"the session's key").hexdigest()
    assert digest[:16] not in state
    assert "the session's key" not in state
    (file.parent / "one.conf").write_text("two\n", encoding="utf-8")
    machine.apply(file, project)
    assert _in(machine, strict, "cat /etc/one.conf") == "two\n"
    assert machine.plan(file, project) == {}


def test_a_copy_that_was_killed_in_the_middle_is_finished_by_the_next(
    machine: ComposeMachine, project: str
) -> None:
    file = _folders(machine, project)
    machine.apply(file, project)
    app = f"{project}-app-1"
    _in(machine, app, "echo own >/data/own; echo there >/data/c")
    data = file.parent / "data"
    with (data / "big").open("wb") as big:
        big.truncate(200_000_000)
    (data / "zz").write_text("last\n", encoding="utf-8")
    machine.synth(file, project)
    stack = json.loads((machine.folder / "out/stacks/docker/cdk.tf.json").read_text("utf-8"))
    steps = stack["resource"]["terraform_data"]
    (name,) = (name for name in steps if name.startswith("Compose_Folders_data_"))
    (step,) = steps[name]["provisioner"]
    words = [*step["local-exec"]["interpreter"], step["local-exec"]["command"]]
    step_process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE)
    mine: dict[str, str | list[str] | bool] = {"label": f"moor.files={project}/folders/data"}
    while not machine.client.containers.list(all=True, filters=mine):
        assert step_process.poll() is None
    # It runs for a moment at a time, so that it cannot end while the machine is looked at.
    step_process.send_signal(signal.SIGSTOP)
    while int(_in(machine, app, "stat -c %s /data/big 2>/dev/null || echo 0")) == 0:
        assert step_process.poll() is None
        step_process.send_signal(signal.SIGCONT)
        time.sleep(0.02)
        step_process.send_signal(signal.SIGSTOP)
    step_process.kill()
    step_process.communicate()
    assert step_process.returncode == -signal.SIGKILL
    assert len(machine.client.containers.list(all=True, filters=mine)) == 1
    machine.apply(file, project)
    assert machine.client.containers.list(all=True, filters=mine) == []
    script = "cd /data; cat own c zz; stat -c %s big; ls /"
    assert _in(machine, app, script).startswith("own\nthere\nlast\n200000000\n")
    assert machine.client.images.list(filters={"label": "moor.files"}) == []


@pytest.mark.long
def test_what_the_engine_refuses_is_told_before_and_nothing_else_is(
    machine: ComposeMachine, project: str
) -> None:
    variables = {"REGISTRY": machine.registry}
    found: dict[str, list[str]] = {"not told": [], "taken": [], "told": [], "refused": []}
    for service, told_kind, refused_kind in (
        *((service, "not told", "taken") for service in REFUSED),
        *((service, "told", "refused") for service in TAKEN),
    ):
        file = _own_copy(machine, document(service))
        try:
            load_project([file], name=project, variables=variables)
            told = False
        except ComposeError:
            told = True
        try:
            machine.compose(file, project, "up", "--detach", "--quiet-pull")
            refused = False
        except AssertionError:
            refused = True
        machine.remove(project)
        if told != (told_kind == "not told"):
            found[told_kind].append(service)
        if refused != (refused_kind == "taken"):
            found[refused_kind].append(service)
    assert found == {"not told": [], "taken": [], "told": [], "refused": []}


PORTS = """
services:
  names:
    image: ${REGISTRY}/busybox:1.36
    # The machine's own program: the stand-in has none for UDP.
    entrypoint: [/socat, 'UDP4-RECVFROM:53,fork', 'SYSTEM:read word; echo "heard $$word"']
    volumes: [/usr/bin/socat:/socat:ro, /usr/lib:/lib:ro, /usr/lib64:/lib64:ro]
    ports: ['5301:53/udp', '18101:53', '[::]:5301:53/udp']
    stop_signal: SIGKILL
  web:
    image: ${REGISTRY}/nginx:1.27
    ports: ['0.0.0.0:18100:80', '[::]:18100:80', '18100:80', '127.0.0.1:18102:80', '80', '81/udp']
    stop_signal: SIGKILL
  local:
    image: ${REGISTRY}/busybox:1.36
    command: sleep 100000
    ports: [{target: 82, published: 18103, host_ip: '::1'}]
    stop_signal: SIGKILL
  outside:
    image: ${REGISTRY}/busybox:1.36
    command: sleep 100000
    network_mode: host
    ports: ['18104:18104']
    stop_signal: SIGKILL
  quiet:
    image: ${REGISTRY}/busybox:1.36
    entrypoint: [sh, -c]
    command: ['test "$$0" = "" && sleep 100000', '']
    stop_signal: SIGKILL
  plain:
    image: ${REGISTRY}/nginx:1.27
    entrypoint: []
    command: [sleep, '100000']
    stop_signal: SIGKILL
  usual:
    image: ${REGISTRY}/nginx:1.27
    command: []
    stop_signal: SIGKILL
"""


def _heard(address: str, word: str) -> str:
    """Say something to the UDP service; return its answer, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(2)
        sender.connect((address, 5301))
        with contextlib.suppress(OSError):
            sender.send(word.encode() + b"\n")
            return sender.recv(100).decode()
    return ""


def _running(machine: ComposeMachine, project: str) -> dict[str, Any]:
    """Return what runs in each container, and what of it is published."""
    found = {}
    for name, container in machine.snapshot(project)["containers"].items():
        assert container["Running"], name
        published = container["HostConfig"]["PortBindings"] or {}
        found[name] = (
            [container["Path"], *container["Args"]],
            {
                own: sorted((b["HostIp"] or "0.0.0.0", b["HostPort"].strip("0")) for b in bindings)  # noqa: S104
                for own, bindings in published.items()
            },
        )
    return found


def test_ports_and_programs_are_composes_and_stay(machine: ComposeMachine, project: str) -> None:
    file = _own_copy(machine, PORTS)
    machine.apply(file, project)
    assert machine.plan(file, project) == {}
    outputs = Outputs.load(machine.environment)
    answers = [_heard(outputs.public_ip, word) for word in ("one", "two")]
    assert answers == ["heard one\n", "heard two\n"]
    with urllib.request.urlopen(f"http://{outputs.public_ip}:18100/", timeout=10) as answer:
        assert b"nginx" in answer.read()
    # Another number may have been chosen after a start, and that is no change.
    chosen = machine.client.containers.get(f"{project}-web-1")
    ports = found_in(chosen.attrs, {}).published["80/tcp"]
    assert {18100, 18102} < set(ports)
    chosen.restart()
    assert machine.plan(file, project) == {}
    fewer = _own_copy(machine, PORTS.replace("'[::]:18100:80', ", ""))
    assert _short(machine.plan(fewer, project)) == {
        "docker_container.Compose_Services_web_1": REPLACED
    }
    machine.synth(_own_copy(machine, PORTS), project)
    ours = _running(machine, project)
    for _, published in ours.values():
        for bindings in published.values():
            bindings[:] = [binding for binding in bindings if binding[0] != "::"]
    machine.terraform("destroy", "-auto-approve", "-input=false")
    # To Compose a port without an address is of both families; beside [::] the engine refuses it.
    plain = PORTS.replace("'[::]:18100:80', ", "").replace(", '[::]:5301:53/udp'", "")
    assert "[::]" not in plain
    machine.compose(_own_copy(machine, plain), project, "up", "--detach", "--quiet-pull")
    theirs = _running(machine, project)
    # What the engine discards is not even told to it.
    assert theirs[f"{project}-outside-1"][1] == {"18104/tcp": [("0.0.0.0", "18104")]}  # noqa: S104
    theirs[f"{project}-outside-1"] = (theirs[f"{project}-outside-1"][0], {})
    assert ours == theirs


def test_udp_is_closed_when_its_rule_goes(machine: ComposeMachine, project: str) -> None:
    machine.apply(_own_copy(machine, PORTS), project)
    settings = load_settings(machine.environment.settings_file).sandbox
    assert settings is not None
    ec2 = client(make_sandbox(machine.environment.name, settings), "ec2")
    (rule,) = [
        rule
        for rule in ec2.describe_security_group_rules()["SecurityGroupRules"]
        if rule["IpProtocol"] == "udp"
    ]
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIpv4"]) == (5300, 5303, "127.0.0.0/8")
    address = Outputs.load(machine.environment).public_ip
    permission = {
        "IpProtocol": "udp",
        "FromPort": 5300,
        "ToPort": 5303,
        "IpRanges": [{"CidrIp": "127.0.0.0/8"}],
    }
    assert _heard(address, "open") == "heard open\n"
    ec2.revoke_security_group_ingress(GroupId=rule["GroupId"], IpPermissions=[permission])
    assert _heard(address, "closed") == ""
    ec2.authorize_security_group_ingress(GroupId=rule["GroupId"], IpPermissions=[permission])
    assert _heard(address, "again") == "heard again\n"


@pytest.mark.parametrize("app", [app for app in hosted() if app.few], ids=lambda app: app.name)
def test_a_file_as_people_host_it_runs_and_is_what_compose_makes_of_it(
    machine: ComposeMachine, tmp_path: Path, app: Hosted
) -> None:
    deploy_and_compare(machine, ready(machine), tmp_path, app, {})
