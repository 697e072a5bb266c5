"""What is open, and what deserves a second look: from settings, services and real files."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from settings_files import OFFICE, document

from constructs_lib.compose.model import ComposeProject, Port, Service
from constructs_lib.docker.container_options import ContainerOptions, HostMount
from constructs_lib.identity.people import share
from constructs_lib.identity.pki import Pki
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor import exposure

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.identity.certificate_authority import Clock

SETTINGS = Settings.model_validate(document(http={"ports": [80]}))
WEB = Service(name="web", ports=(Port(target=80, published=(80, 80), protocol="tcp"),))
SEARCH = Service(name="search", ports=(Port(target=1, published=(9200, 9200), protocol="tcp"),))


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    tmp_path.chmod(0o755)
    return Environment(name="trial", settings_file=tmp_path / "trial.yaml", root=tmp_path)


def fixed(moment: datetime) -> datetime:
    return moment


def project(*services: Service) -> ComposeProject:
    named = {service.name: service for service in services}
    return ComposeProject(name="moor", file="compose.yaml", services=named, networks={}, volumes={})


def found(environment: Environment, *services: Service) -> list[str]:
    given = project(WEB, SEARCH, *services)
    return [f.subject for f in exposure.examine(environment, SETTINGS, given).findings]


def test_each_open_port_tells_to_whom_and_who_answers(environment: Environment) -> None:
    rows = exposure.examine(environment, SETTINGS, project(WEB, SEARCH)).ports
    assert [(r.port, r.networks, r.answers, r.guard, r.setting) for r in rows] == [
        (22, (OFFICE,), "the machine", "the environment's SSH key", "ssh.port"),
        (80, ("everybody",), "web", "", "http.ports"),
        (
            2376,
            (OFFICE,),
            "the machine",
            "a client certificate of the environment",
            "docker_api.port",
        ),
        (9200, (OFFICE,), "search", "", "docker_api.service_ports"),
    ]
    assert found(environment) == []


def test_a_swarm_opens_its_own_ports_to_its_nodes_alone(environment: Environment) -> None:
    settings = Settings.model_validate({**document(http={"ports": [80]}), "swarm": True})
    rows = exposure.examine(environment, settings, project(WEB, SEARCH)).ports
    own = [r for r in rows if r.setting == "machines"]
    assert [r.ports for r in own] == ["2377", "4789/udp", "5000", "7946", "7946/udp", "esp"]
    assert {(r.networks, r.answers) for r in own} == {(("the swarm's nodes",), "each node")}
    assert [r.answers for r in rows if r.setting == "ssh.port"] == ["each node"]
    assert [r.ports for r in rows][-1] == "esp"
    # One machine alone has none of them.
    plain = exposure.examine(environment, SETTINGS, project(WEB, SEARCH)).ports
    assert [r for r in plain if r.setting == "machines"] == []


def test_a_port_where_nobody_answers_is_found(environment: Environment) -> None:
    local = replace(WEB, ports=(replace(WEB.ports[0], host_ip="127.0.0.1"),))
    (finding,) = exposure.examine(environment, SETTINGS, project(local, SEARCH)).findings
    assert finding.subject == "aws.http.ports: 80"
    assert finding.text == "the port is open and no service publishes it"


def test_udp_and_ranges_are_told_apart(environment: Environment) -> None:
    opened = Settings.model_validate(document(http={"ports": [53, "53/udp", "8000-8010/udp"]}))
    dns = Service(name="dns", ports=(Port(target=53, published=(53, 53), protocol="udp"),))
    calls = Service(
        name="calls",
        options=ContainerOptions(network_mode="host"),
        ports=(Port(target=8003, published=(1, 1), protocol="udp", host_ip="127.0.0.1"),),
    )
    more = Service(name="more", ports=(Port(target=1, published=(8010, 8012), protocol="udp"),))
    result = exposure.examine(environment, opened, project(dns, calls, more, SEARCH))
    rows = [row for row in result.ports if row.setting == "http.ports"]
    assert [(str(row.ports), row.port, row.last, row.protocol, row.answers) for row in rows] == [
        ("53", 53, 53, "tcp", ""),
        ("53/udp", 53, 53, "udp", "dns"),
        ("8000-8010/udp", 8000, 8010, "udp", "calls, more"),
    ]
    idle = [f for f in result.findings if "http.ports" in f.subject]
    assert [(f.subject, f.remedy) for f in idle] == [
        (
            "aws.http.ports: 53",
            "take it out, unless calls on the machine's network answers there",
        )
    ]


@pytest.mark.parametrize(
    ("options", "subject"),
    [
        (ContainerOptions(privileged=True), "service power: privileged"),
        (
            ContainerOptions(cap_add=("CAP_SYS_ADMIN", "CHOWN", "ALL")),
            "service power: cap_add ALL, SYS_ADMIN",
        ),
        (ContainerOptions(network_mode="host"), "service power: network_mode host"),
        (ContainerOptions(pid_mode="host"), "service power: pid host"),
        (
            ContainerOptions(host_mounts=(HostMount(source="/run/docker.sock", path="/s"),)),
            "service power: the mount of /run/docker.sock",
        ),
    ],
)
def test_what_leads_from_a_service_to_the_machine_is_found(
    environment: Environment, options: ContainerOptions, subject: str
) -> None:
    assert found(environment, Service(name="power", options=options)) == [subject]


def test_a_harmless_service_is_not(environment: Environment) -> None:
    options = ContainerOptions(
        cap_add=("NET_BIND_SERVICE",), host_mounts=(HostMount(source="/srv/data", path="/d"),)
    )
    assert found(environment, Service(name="meek", options=options)) == []


def test_keys_that_others_can_read_are_found(environment: Environment) -> None:
    key = environment.ssh / "id_ed25519"
    key.parent.mkdir(parents=True)
    key.touch(mode=0o644)
    key.chmod(0o644)
    assert found(environment) == [str(key)]
    key.chmod(0o600)
    assert found(environment) == []


def test_a_readable_configuration_is_found_unless_a_folder_above_is_private(
    environment: Environment,
) -> None:
    environment.output.mkdir(parents=True)
    for folder in (environment.output, environment.output.parent):
        folder.chmod(0o755)
    assert found(environment) == [str(environment.output)]
    environment.output.parent.chmod(0o700)
    assert found(environment) == []


def always(time: datetime) -> Clock:
    """Return a clock that stands still."""
    return lambda: time


def test_an_ended_certificate_is_found(environment: Environment) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    pki = Pki(
        pki_dir=environment.pki, certificates_dir=environment.certificates, clock=lambda: begin
    )
    pki.ensure()
    for later, number in ((timedelta(days=1), 0), (timedelta(days=2000), 1)):
        result = exposure.examine(
            environment, SETTINGS, project(WEB, SEARCH), clock=always(begin + later)
        )
        assert len(result.findings) == number


def test_a_shared_access_is_found_until_it_ends(environment: Environment) -> None:
    pki = Pki(pki_dir=environment.pki, certificates_dir=environment.certificates)
    pki.ensure()
    end = share(pki, "alice", days=2, folder=environment.shared / "alice")
    for now, number in ((end - timedelta(hours=1), 1), (end, 0)):
        result = exposure.examine(environment, SETTINGS, project(WEB, SEARCH), clock=always(now))
        assert len(result.findings) == number
        for finding in result.findings:
            assert finding.subject == "alice"
            assert f"until {end:%F}" in finding.text
            assert "moor unshare alice" in finding.remedy


def test_updates_without_a_reboot_are_found(environment: Environment) -> None:
    settings = Settings.model_validate(
        document(http={"ports": [80]}, updates={"reboot_strategy": "off"})
    )
    (finding,) = exposure.examine(environment, settings, project(WEB, SEARCH)).findings
    assert finding.subject == "aws.updates.reboot_strategy: off"


def test_it_is_shown_and_told_to_scripts(environment: Environment) -> None:
    result = exposure.examine(environment, SETTINGS, project(WEB))
    console = Console(width=100)
    with console.capture() as capture:
        exposure.show(result, console)
    text = capture.get()
    assert text.splitlines()[2].split()[:3] == ["80", "everybody", "web"]
    assert "aws.docker_api.service_ports: 9200" in text
    assert json.loads(json.dumps(exposure.as_json(result)))["ports"][1]["answers"] == "web"
