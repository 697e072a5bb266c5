"""Each thing that can be wrong is found, told with its remedy, and mended where that is safe."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from settings_files import document

from constructs_lib.aws.firewall import openings
from constructs_lib.aws.port_range import PortRange
from constructs_lib.identity.certificate_authority import CertificateAuthority, issue_client
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from constructs_lib.swarm.managers import Problem
from moor import deployment_lock
from moor.doctor import certificates, cloud, computer, hosts, look, ports
from moor.doctor.finding import Finding, Fix, Result
from moor.doctor.patient import Patient
from moor.doctor.ports import Reached, Rule
from moor.failure import CommandError
from moor.operation.engines import UnreachableError
from moor.operation.hosts import Host
from moor.screen import make_console
from moor.session import Session
from moor.swarm import machines

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
SETTINGS = Settings.model_validate(document(http={"ports": [80]}))
HOST = Host(
    name="machine",
    address="192.0.2.7",
    private_address="",
    port=2376,
    instance_id="i-1",
    ssh=(),
    certificates=(),
)


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    environment = Environment(name="trial", settings_file=tmp_path / "trial.yaml", root=tmp_path)
    session = Session(environment=environment)
    object.__setattr__(session, "settings", SETTINGS)
    session.__dict__["settings"] = SETTINGS
    return Patient(session=session)


def texts(result: Result) -> list[str]:
    return [f"{f.subject}: {f.text}; {f.remedy}" for f in result.findings]


# This computer


def test_a_key_that_others_can_read_is_made_private(patient: Patient) -> None:
    environment = patient.session.environment
    key = environment.ssh / "id_ed25519"
    key.parent.mkdir(parents=True, mode=0o700)
    key.touch()
    key.chmod(0o644)
    result = computer.files(patient)
    assert result.is_wrong
    assert [
        f"{key}: mode: must give no rights to group and others, got 0644" in text
        for text in texts(result)
    ] == [True]
    said: list[str] = []
    (left,) = look.fixed([result], said.append)
    assert left.findings == ()
    assert said == [f"{key}: chmod 600 {key}"]
    assert key.stat().st_mode & 0o777 == 0o600
    assert not computer.files(patient).is_wrong


def test_a_disk_here_that_is_full_is_told_with_what_is_ours_on_it(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(total=100 * 2**30, used=99 * 2**30, free=2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    monkeypatch.setattr(computer, "_folders", lambda: iter([(2**30, ".tools"), (2**20, ".moor")]))
    (finding,) = computer.disk(patient).findings
    assert finding.text == "must have 2.0 GiB free for a deployment, got 1.0 GiB"
    assert finding.remedy == "make room; of this project's own: .tools 1.0 GiB, .moor 1.0 MiB"


def test_a_program_that_is_missing(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = texts(computer.programs(patient))
    assert any(text.startswith("ssh: must be installed, got nothing; install Op") for text in found)


def test_a_lock_that_is_held_is_good_to_know_and_not_wrong(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert computer.lock(patient).told == "nobody works on it"
    holder = deployment_lock.Holder(pid=7, name="moor")
    monkeypatch.setattr(deployment_lock, "holders", lambda _environment: [holder])
    result = computer.lock(patient)
    assert not result.is_wrong
    assert [f.text for f in result.findings] == ["moor (process 7) works on it"]


# Certificates


@pytest.mark.parametrize(
    ("age_days", "told"),
    [
        (0, []),
        (390, ["the client's certificate ends on "]),
        (400, ["the client's certificate must be valid now, got one that ended on "]),
        (-5, ["the client's certificate must be valid now, got valid from "]),
    ],
)
def test_certificates(patient: Patient, age_days: int, told: list[str]) -> None:
    folder = patient.session.environment.certificates
    folder.mkdir(parents=True)
    made = NOW - timedelta(days=age_days)
    issued = issue_client("trial", clock=lambda: made)
    (folder / "cert.pem").write_bytes(issued.certificate_pem)
    authority = CertificateAuthority.create("trial", clock=lambda: NOW - timedelta(days=1))
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    found = certificates.certificates(patient, now=NOW).findings
    assert [f.text[: len(text)] for f, text in zip(found, told, strict=True)] == told


def test_a_certificate_that_is_none(patient: Patient) -> None:
    folder = patient.session.environment.certificates
    folder.mkdir(parents=True)
    (folder / "cert.pem").write_text("nonsense")
    (finding,) = certificates.certificates(patient).findings
    assert finding.text.startswith("must be a certificate, got: ")


# Clocks


@pytest.mark.parametrize(
    ("ahead", "told"),
    [(59.0, ""), (-59.0, ""), (120.0, "120 s ahead of it"), (-90.0, "90 s behind")],
)
def test_clocks(ahead: float, told: str) -> None:
    found = cloud.clock("AWS", ahead)
    assert bool(found) == bool(told)
    assert all(told in f.text for f in found)


def test_awss_clock_is_told_where_it_refuses_us_for_ours(patient: Patient) -> None:
    late = (NOW + timedelta(minutes=10)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    response = {
        "Error": {"Code": "RequestExpired"},
        "ResponseMetadata": {"HTTPHeaders": {"date": late}},
    }
    (finding,) = cloud._refused(patient, response, "expired", NOW).findings
    assert finding.subject == "clock of AWS"
    (finding,) = cloud._refused(patient, {"Error": {"Code": "ExpiredToken"}}, "x", NOW).findings
    assert finding.remedy.startswith("they have ended: log in again")


class FakeEc2:
    """As much of EC2 as the check of addresses asks."""

    def __init__(self, others: int, most: int) -> None:
        self._others, self._most = others, most

    def describe_addresses(self) -> dict[str, Any]:
        """Tell of one address of ours, and of the others."""
        ours = [{"Key": "project", "Value": "moor"}, {"Key": "environment", "Value": "trial"}]
        return {"Addresses": [{"Tags": ours}, *({} for _ in range(self._others))]}

    def describe_account_attributes(self, **_: object) -> dict[str, Any]:
        """Tell how many there may be."""
        values = [{"AttributeValue": str(self._most)}]
        name = "vpc-max-elastic-ips"
        return {"AccountAttributes": [{"AttributeName": name, "AttributeValues": values}]}


def test_addresses(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "_is_ours", lambda _patient, one: bool(one.get("Tags")))
    monkeypatch.setattr(patient, "ec2", lambda: FakeEc2(4, 5))
    assert cloud.addresses(patient).told == "5 of 5 Elastic IPs in use, 1 of them ours"
    assert not cloud.addresses(patient).is_wrong
    monkeypatch.setattr(patient, "ec2", lambda: FakeEc2(5, 5))
    (finding,) = cloud.addresses(patient).findings
    assert finding.text == (
        "must leave an Elastic IP for each of 1 machines, got 5 that the account may have in "
        "eu-central-1, 5 of them in use by others"
    )


# Machines


@pytest.mark.parametrize(
    ("problem", "state", "told"),
    [
        (Problem.SILENT, "", "must be there, got a machine (i-1) that AWS says is gone"),
        (Problem.REFUSED, "terminated", "must be there, got a machine (i-1) that AWS says is gone"),
        (Problem.SILENT, "stopped", "must run, got stopped"),
        (Problem.SILENT, "running", "must answer, got nothing in time, though AWS says that it"),
        (Problem.REFUSED, "running", "must answer over the Docker API, got a refusal: Docker does"),
        (Problem.CERTIFICATE, "running", "must be known by this environment's certificates"),
    ],
)
def test_why_a_machine_does_not_answer(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, problem: Problem, state: str, told: str
) -> None:
    monkeypatch.setattr(machines, "state", lambda _session, _machine: state)
    text = "machine (192.0.2.7): must be known by this environment's certificates, got: x; look"
    finding = hosts._why(patient, HOST, UnreachableError(text, problem))
    assert finding.text.startswith(told)
    assert finding.remedy


def test_an_ended_certificate_of_ours_has_its_own_remedy(patient: Patient) -> None:
    text = "cert.pem: must be valid now, got one that ended on 2026-01-01; `make up` makes another"
    finding = hosts._why(patient, HOST, UnreachableError(text, Problem.CERTIFICATE))
    assert (finding.subject, finding.text, finding.remedy) == (
        "cert.pem",
        "must be valid now, got one that ended on 2026-01-01",
        "`make up` makes another",
    )


# Ports

WEB = PortRange.single(80)
OFFICE = ip_network("203.0.113.0/24")


@pytest.mark.parametrize(
    ("rule", "network", "expected"),
    [
        (Rule("tcp", 80, 80, "0.0.0.0/0"), OFFICE, True),
        (Rule("tcp", 1, 100, "203.0.113.0/24"), OFFICE, True),
        (Rule("-1", -1, -1, "0.0.0.0/0"), OFFICE, True),
        (Rule("tcp", 81, 100, "0.0.0.0/0"), OFFICE, False),
        (Rule("udp", 80, 80, "0.0.0.0/0"), OFFICE, False),
        (Rule("tcp", 80, 80, "203.0.113.0/25"), OFFICE, False),
        (Rule("tcp", 80, 80, "::/0"), OFFICE, False),
        (Rule("tcp", 80, 80, "sg-1"), OFFICE, False),
        (Rule("tcp", 80, 80, "sg-1"), None, True),
        (Rule("tcp", 80, 80, "0.0.0.0/0"), None, False),
    ],
)
def test_whether_a_rule_lets_in(rule: Rule, network: Any, expected: bool) -> None:  # noqa: ANN401, FBT001
    assert ports.lets_in(rule, WEB, network) is expected


def test_the_rule_that_is_missing_is_named(patient: Patient) -> None:
    wanted = openings(SETTINGS.aws)
    rules = [
        Rule(range_.protocol, range_.first, range_.last, str(network))
        for opening in wanted
        for range_ in opening.ports
        for network in opening.cidrs
    ]
    assert list(ports.missing(patient, wanted, rules)) == []
    without = [rule for rule in rules if (rule.first, rule.network) != (80, "0.0.0.0/0")]
    (finding,) = ports.missing(patient, wanted, without)
    assert (finding.subject, finding.text) == (
        "aws.http.ports: 80",
        "must be open to 0.0.0.0/0, got no such rule in AWS",
    )


def test_what_comes_of_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        port = server.getsockname()[1]
        assert ports.reach("127.0.0.1", port) is Reached.OPEN
    assert ports.reach("127.0.0.1", port) is Reached.REFUSED


def test_silence_and_a_refusal_have_remedies_of_their_own(patient: Patient) -> None:
    opening = next(o for o in openings(SETTINGS.aws) if o.setting == "http.ports")
    refused = ports._unreached(patient, "web: port 80", opening, Reached.REFUSED)
    assert refused.text == "must be answered by a service, got a refusal, though a rule lets it in"
    silent = ports._unreached(patient, "web: port 80", opening, Reached.SILENT)
    assert "is in aws.http.cidrs" in silent.remedy


# All of it


def test_a_check_that_fails_is_a_finding_and_no_end(patient: Patient) -> None:
    def broken(_patient: Patient) -> Result:
        raise CommandError("it: must be, got not")

    result = look._run(broken, patient)
    assert (result.name, result.told) == ("broken", "not looked at")
    assert [f.text for f in result.findings] == ["it: must be, got not"]


def test_what_cannot_be_mended_is_left(patient: Patient) -> None:
    del patient

    def fail() -> str:
        raise CommandError("no")

    plain = Finding(subject="a", text="b", remedy="c")
    broken = replace(plain, fix=Fix(text="done", do=fail))
    good = replace(plain, fix=Fix(text="done", do=lambda: "well"))
    said: list[str] = []
    (left,) = look.fixed([Result(name="x", told="", findings=(plain, broken, good))], said.append)
    assert left.findings == (plain, replace(broken, fix=None))
    assert said == ["a: could not be mended: no", "a: done, well"]


def test_what_a_person_sees(capsys: pytest.CaptureFixture[str]) -> None:
    bad = Finding(subject="port 80", text="must be, got not", remedy="do it")
    known = replace(bad, subject="lock", is_wrong=False, fix=Fix(text="", do=lambda: None))
    found = [
        Result(name="disk", told="7 GiB free"),
        Result(name="ports", told="1 of 2", findings=(bad, known)),
    ]
    look.show(found, make_console())
    assert capsys.readouterr().out == (
        "✓ disk   7 GiB free\n"
        "✗ ports  1 of 2\n"
        "    port 80: must be, got not\n"
        "      → do it\n"
        "    lock: must be, got not\n"
        "      → do it\n"
        "`--fix` does 1 of these\n"
    )
    assert [one["good"] for one in look.as_json(found)] == [True, False]
    assert (
        cast("list[dict[str, object]]", look.as_json(found)[1]["findings"])[1]["mendable"] is True
    )
