"""One screen, at 80 and at 120 columns, and as JSON."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from test_status import OUTPUTS, URL, make_session

from constructs_lib.settings.environment import Environment
from moor.health import Expected, Row
from moor.outputs import Node
from moor.overview import view
from moor.overview.api import Api
from moor.overview.certificates import Certificate
from moor.overview.host import Disk, Host
from moor.overview.machines import Machine
from moor.overview.overview import Overview
from moor.plan import Change, StackPlan
from moor.swarm.cluster import Member

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GIB = 1024**3
MACHINE = Machine(
    name="production",
    address="192.0.2.7",
    identity="i-0123456789abcdef0",
    api=Api(
        system="Flatcar Container Linux by Kinvolk 4230.2.3 (Oklo)",
        kernel="6.6.100-flatcar",
        version="28.0.4",
    ),
    host=Host(
        disks=(
            Disk(path="/", used=9 * GIB, size=18 * GIB),
            Disk(path="/var/lib/docker", used=10 * GIB, size=100 * GIB),
        )
    ),
)
CERTIFICATES = (
    Certificate(of="this computer", ends=datetime(2027, 3, 1, tzinfo=UTC), days=364),
    Certificate(of="authority", ends=datetime(2036, 3, 1, tzinfo=UTC), days=3652),
    Certificate(of="the machine", ends=datetime(2027, 3, 1, tzinfo=UTC), days=364),
)
ENVIRONMENT = Environment.from_variable(Path("/work"), {"ENVIRONMENT": "production"})
LOOK = "look with: ENVIRONMENT=production .venv/bin/moor logs"
WEB = Row(
    expected=Expected(name="moor-web-1", service="web", config_hash="1", url=URL),
    state="running (healthy)",
    verdict="good",
    answer="200 OK",
    health="healthy",
    since="2026-03-01T08:59:00.123456789Z",
)
JOB = Row(
    expected=Expected(name="moor-job-1", service="job", config_hash="1"),
    state="exited (3)",
    verdict="bad",
    problem="must run, got exited (3)",
    restarts=4,
    since="2026-03-01T11:58:00Z",
)
SEEN = Overview(
    environment=ENVIRONMENT,
    outputs=OUTPUTS,
    machines=[MACHINE],
    certificates=CERTIFICATES,
    rows=[WEB],
)


def drawn(seen: Overview, root: Path, width: int = 80) -> str:
    """Return the screen, without blanks at the ends of its lines."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=False)
    console.print(view.render(make_session(root), seen, now=NOW))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


GOOD = """\
production in eu-central-1, at 192.0.2.7: all is well

machine       i-0123456789abcdef0
system        Flatcar Container Linux by Kinvolk 4230.2.3 (Oklo), kernel
              6.6.100-flatcar
Docker        28.0.4
disk          / 50% of 18 GiB, /var/lib/docker 10% of 100 GiB
certificates  this computer 364 days, authority 3652 days, the machine 364 days

service     state              since  address               answers
moor-web-1  running (healthy)  3 h    http://192.0.2.7:80/  200 OK"""

BAD = """\
production in eu-central-1, at 192.0.2.7: not well

machine       i-0123456789abcdef0
system        Flatcar Container Linux by Kinvolk 4230.2.3 (Oklo), kernel
              6.6.100-flatcar, reboot due for an update to 4230.2.4
Docker        28.0.4
disk          / 97% of 100 GiB
certificates  authority ended 2026-02-01

service     state              since  restarts  address               answers
moor-web-1  running (healthy)  3 h           0  http://192.0.2.7:80/  nothing
moor-job-1  exited (3)         2 min         4
due: production: a reboot is due, for an update to 4230.2.4"""


def bad() -> Overview:
    host = Host(
        disks=(Disk(path="/", used=97 * GIB, size=100 * GIB),), reboot="an update to 4230.2.4"
    )
    silent = replace(
        WEB, verdict="pending", answer="", problem=f"must answer at {URL}, got silence"
    )
    over = Certificate(of="authority", ends=datetime(2026, 2, 1, tzinfo=UTC), days=-28)
    return replace(
        SEEN,
        machines=[replace(MACHINE, host=host)],
        certificates=[over],
        rows=[silent, JOB],
        fills={("production", "/"): "/var/log 90 GiB"},
    )


def test_it_reads_well_at_80_columns(tmp_path: Path) -> None:
    assert drawn(SEEN, tmp_path) == GOOD
    assert drawn(bad(), tmp_path) == BAD


def test_nothing_is_folded_at_120_columns(tmp_path: Path) -> None:
    told = drawn(SEEN, tmp_path, 120).splitlines()
    assert told[3].endswith("(Oklo), kernel 6.6.100-flatcar")
    assert len(told) == len(GOOD.splitlines()) - 1


def test_what_is_well_has_no_problem() -> None:
    assert (SEEN.problems, SEEN.is_good) == ([], True)


def test_each_problem_has_one_line() -> None:
    assert bad().problems == [
        (
            "production: the disk of / must have room, got 97% taken: /var/log 90 GiB; look with: "
            "ENVIRONMENT=production .venv/bin/moor doctor"
        ),
        (
            "the certificate of authority must be valid, got one that ended on 2026-02-01; `moor "
            "up` makes another"
        ),
        f"moor-web-1: must answer at {URL}, got silence; {LOOK} web",
        f"moor-job-1: must run, got exited (3); {LOOK} job",
    ]


@pytest.mark.parametrize(
    ("api", "fate", "problem"),
    [
        (
            Api(problem="the Docker API at x: must be reached, got silence", is_reached=False),
            (
                "production: machine i-0: must be there, got none in EC2: it is gone; make up "
                "makes another one"
            ),
            (
                "production: machine i-0: must be there, got none in EC2: it is gone; make up "
                "makes another one"
            ),
        ),
        (
            Api(problem="the Docker API at x: must answer with this environment's certificate"),
            "",
            "production: the Docker API at x: must answer with this environment's certificate",
        ),
    ],
)
def test_a_machine_that_says_nothing_is_one_line(
    tmp_path: Path, api: Api, fate: str, problem: str
) -> None:
    lost = replace(MACHINE, api=api, fate=fate, host=Host(problem="not asked"))
    seen = replace(SEEN, machines=[lost], rows=None, lost="services: must be seen")
    assert seen.problems == [problem]
    told = drawn(seen, tmp_path)
    assert "Docker        not reached" in told
    assert "service " not in told
    found = view.as_json(make_session(tmp_path), seen)
    assert (found["good"], found["services"], found["services_known"]) == (False, [], False)


def test_a_machine_that_is_somebody_else_is_told_with_where_to_look() -> None:
    lost = replace(MACHINE, api=Api(problem="the Docker API at x: no"), look="moor doctor")
    assert lost.problem == "production: the Docker API at x: no; look with: moor doctor"


def test_drift_is_wrong_and_a_change_that_waits_is_due(tmp_path: Path) -> None:
    changes = tuple(
        Change(address=f"docker_container.{name}", action="update", noun="container", name=name)
        for name in ("moor-web-1", "moor-new-1")
    )
    plan = StackPlan(stack="docker", changes=changes, drifted=changes[:1])
    seen = replace(SEEN, plans=[StackPlan(stack="aws"), plan])
    assert seen.problems == [
        (
            "docker: container moor-web-1 must be what was deployed, got it changed behind "
            "Terraform's back; `moor plan` shows what"
        )
    ]
    assert seen.due == ["docker: 1 changes of the configuration are to deploy"]
    assert "drift         container moor-web-1" in drawn(seen, tmp_path)
    assert view.as_json(make_session(tmp_path), seen)["drift"] == {
        "aws": {"drifted": [], "pending": 0},
        "docker": {
            "drifted": [
                {
                    "address": "docker_container.moor-web-1",
                    "kind": "container",
                    "name": "moor-web-1",
                }
            ],
            "pending": 1,
        },
    }


NODES = """\
production in eu-central-1, at 192.0.2.7: not well

node       role            state              address    disk
manager-1  manager, leads  ready              192.0.2.7  / 50% of 18 GiB
                                                         /var/lib/docker 10% of
                                                         100 GiB
manager-2  manager         ready, reboot due  192.0.2.8  / 50% of 18 GiB
web-1      worker          not reached        192.0.2.9

system        Flatcar Container Linux by Kinvolk 4230.2.3 (Oklo), kernel
              6.6.100-flatcar
Docker        28.0.4
certificates  this computer 364 days, authority 3652 days, the machine 364 days

service     state              since  address               answers
moor-web-1  running (healthy)  3 h    http://192.0.2.7:80/  200 OK
due: manager-2: a reboot is due, for an update"""


def swarm() -> Overview:
    """Return a swarm of three nodes, one of them lost."""
    names = {"manager-1": 7, "manager-2": 8, "web-1": 9}
    nodes = {
        name: Node(public_ip=f"192.0.2.{n}", private_ip="10.0.0.1", instance_id="i-1", ssh="ssh")
        for name, n in names.items()
    }
    one_disk = Host(disks=MACHINE.host.disks[:1], reboot="an update")
    lost = Api(problem="the Docker API at 192.0.2.9:2376: must be reached, got no connection")
    return replace(
        SEEN,
        outputs=replace(OUTPUTS, nodes=nodes),
        members=[
            Member(name="manager-1", is_manager=True, is_leader=True),
            Member(name="manager-2", is_manager=True),
            Member(name="web-1", state="down"),
        ],
        machines=[
            replace(MACHINE, name="manager-1"),
            replace(MACHINE, name="manager-2", address="192.0.2.8", host=one_disk),
            replace(
                MACHINE, name="web-1", address="192.0.2.9", api=lost, host=Host(problem="not asked")
            ),
        ],
    )


def test_nodes_have_a_line_each(tmp_path: Path) -> None:
    assert drawn(swarm(), tmp_path) == NODES


def test_what_nodes_do_not_have_in_common_is_told_of_each(tmp_path: Path) -> None:
    seen = swarm()
    first, second, lost = seen.machines
    older = replace(second, api=replace(second.api, version="27.0.1"))
    told = drawn(replace(seen, machines=[first, older, lost]), tmp_path, 120)
    assert "192.0.2.8  27.0.1  / 50% of 18 GiB" in told
    assert "Docker        28.0.4" not in told


def test_json_has_the_keys_that_are_documented(tmp_path: Path) -> None:
    found = view.as_json(make_session(tmp_path), SEEN)
    assert list(found) == [
        "environment",
        "where",
        "good",
        "problems",
        "due",
        "public_ip",
        "docker_host",
        "services",
        "services_known",
        "machines",
        "certificates",
        "drift",
    ]
    assert found["machines"] == [
        {
            "name": "production",
            "address": "192.0.2.7",
            "instance_id": "i-0123456789abcdef0",
            "problem": None,
            "system": "Flatcar Container Linux by Kinvolk 4230.2.3 (Oklo)",
            "kernel": "6.6.100-flatcar",
            "docker": "28.0.4",
            "reboot": False,
            "disks": [
                {"path": "/", "used": 9 * GIB, "size": 18 * GIB, "percent": 50, "filled_by": None},
                {
                    "path": "/var/lib/docker",
                    "used": 10 * GIB,
                    "size": 100 * GIB,
                    "percent": 10,
                    "filled_by": None,
                },
            ],
        }
    ]
    assert found["certificates"][0] == {
        "of": "this computer",
        "ends": "2027-03-01T00:00:00+00:00",
        "days": 364,
    }


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("2026-03-01T11:59:30Z", "30 s"),
        ("2026-03-01T12:00:30Z", "0 s"),
        ("2026-03-01T11:00:01Z", "59 min"),
        ("2026-02-28T12:00:00Z", "1 d"),
        ("", ""),
    ],
)
def test_how_long_ago_is_told_in_one_unit(when: str, text: str) -> None:
    assert view.since(when, NOW) == text
