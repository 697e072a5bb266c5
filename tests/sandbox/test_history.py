"""Day two on one real deployment: its screen, what a failure tells, and the way back.

The tests share one deployment and run in the order of the file: a later one may rely on what an
earlier one left.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from trial_sandbox import client, left_of, make_sandbox, wait_for

from constructs_lib.host import engine as machine_engine
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.lifecycle import Sandbox

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
SECRET = "geheim-7f3a"  # noqa: S105  (of nothing)

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN mkdir /www && echo VERSION > /www/index.html
STOPSIGNAL SIGKILL
CMD ["httpd", "-f", "-v", "-p", "8080", "-h", "/www"]
"""

COMPOSE = f"""\
services:
  page:
    build: {{context: ./page, args: {{BASE_IMAGE: "${{BASE_IMAGE}}"}}}}
    environment: {{COLOUR: "${{COLOUR}}", DB_PASSWORD: {SECRET}}}
    volumes: ["data:/data"]
    ports: ["80:8080"]
    healthcheck:
      test: [CMD, wget, -qO-, "http://127.0.0.1:8080/CHECKED"]
      interval: 1s
      retries: 2
  other:
    image: ${{BASE_IMAGE}}
    command: [sh, -c, "OTHER"]
    stop_signal: SIGKILL
volumes: {{data: }}
"""

SETTINGS = """\
project: history
aws:
  region: eu-central-1
  ssh: {port: 2222, cidrs: [127.0.0.0/8]}
  docker_api: {cidrs: [127.0.0.0/8]}
services: compose.yaml
variables: {BASE_IMAGE: "172.30.46.1:5046/busybox:1.36", COLOUR: COLOURED}
sandbox:
  api_port: 4646
  addresses: 127.46.0.0/24
  subnet: 172.30.46.0/24
  registry_port: 5046
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An environment of the tests' own."""

    environment: Environment

    def write(
        self,
        *,
        version: str = "one",
        colour: str = "red",
        checked: str = "",
        other: str = "sleep 100000",
    ) -> None:
        """Write settings and services."""
        folder = self.environment.settings_file.parent
        (folder / "page").mkdir(exist_ok=True)
        (folder / "page" / "Dockerfile").write_text(DOCKERFILE.replace("VERSION", version))
        text = COMPOSE.replace("CHECKED", checked).replace("OTHER", other)
        (folder / "compose.yaml").write_text(text)
        self.environment.settings_file.write_text(SETTINGS.replace("COLOURED", colour))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m moor WORDS`."""
        variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return subprocess.run(
            [sys.executable, "-m", "moor", *words],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**variables, "ENVIRONMENT": str(self.environment.settings_file)},
            stdin=subprocess.DEVNULL,
            timeout=600,
        )

    def good(self, *words: str) -> str:
        """Run a command that must succeed, and return what it printed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Return how `moor status --json` ended, and what it said."""
        done = self.run("status", "--json", *words)
        return done.returncode, json.loads(done.stdout)

    def container(self, service: str) -> dict[str, Any]:
        """Return what the engine says of the container of a service."""
        docker_host = Outputs.load(self.environment).docker_host
        with closing(machine_engine.connect(docker_host, self.environment.certificates)) as docker:
            found: dict[str, Any] = docker.containers.get(f"history-{service}-1").attrs
        return found

    def inside(self, service: str, command: str) -> str:
        """Run a command in the container of a service."""
        docker_host = Outputs.load(self.environment).docker_host
        with closing(machine_engine.connect(docker_host, self.environment.certificates)) as docker:
            container = docker.containers.get(f"history-{service}-1")
            answer: Any = container.exec_run(["sh", "-c", command])
        text = str(answer.output.decode())
        assert answer.exit_code == 0, text
        return text.strip()

    def sandbox(self) -> Sandbox:
        """Return the sandbox beneath."""
        settings = load_settings(self.environment.settings_file).sandbox
        assert settings is not None
        return make_sandbox(self.environment.name, settings)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Deploy once for all tests, and leave nothing behind."""
    file = tmp_path_factory.mktemp("environments") / "history-test.yaml"
    environment = Environment(name=file.stem, settings_file=file, root=ROOT)
    made = Trial(environment=environment)
    made.write()
    made.run("down")
    shutil.rmtree(environment.directory, ignore_errors=True)
    told = made.good("up")
    assert "recorded as deployment 1" in told
    yield made
    done = made.run("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_of(made.sandbox()) == []
    shutil.rmtree(environment.directory)
    shutil.rmtree(environment.output)


def colour_of(container: dict[str, Any]) -> list[str]:
    return [v for v in container["Config"]["Env"] if v.startswith("COLOUR=")]


def test_the_screen_of_what_is_well(trial: Trial) -> None:
    told = trial.good("status")
    assert "history-test in the sandbox on this computer, at 127.46.0." in told
    assert ": all is well" in told
    code, found = trial.status()
    assert (code, found["good"], found["problems"], found["drift"]) == (0, True, [], None)
    (machine,) = found["machines"]
    assert machine["system"].startswith("Debian GNU/Linux")
    assert machine["instance_id"].startswith("i-")
    assert machine["reboot"] is False
    assert machine["disks"][0]["path"] == "/"
    assert {one["of"]: one["days"] > 300 for one in found["certificates"]} == {
        "this computer": True,
        "authority": True,
        "the machine": True,
    }
    page = next(one for one in found["services"] if one["service"] == "page")
    assert (page["state"], page["health"], page["answer"]) == (
        "running (healthy)",
        "healthy",
        "200 OK",
    )
    assert page["restarts"] == 0
    mine = next(
        one
        for one in json.loads(trial.run("ls", "--json").stdout)
        if one["environment"] == "history-test"
    )
    assert (mine["good"], mine["state"], mine["where"]) == (True, "2 of 2 services run", "sandbox")


def test_an_image_and_a_variable_go_back_together(trial: Trial) -> None:
    first, other = trial.container("page"), trial.container("other")
    trial.inside("page", "echo kept > /data/row")
    trial.write(version="two", colour="blue")
    assert "recorded as deployment 2" in trial.good("up")
    assert trial.inside("page", "cat /www/index.html") == "two"
    told = trial.good("rollback")
    assert "env.COLOUR  blue -> red" in told
    assert "the services are those of deployment 1 again; this is on record as 3" in told
    assert "make up goes forward again, to what the files say now" in told
    back = trial.container("page")
    assert back["Image"] == first["Image"]
    assert colour_of(back) == ["COLOUR=red"]
    assert trial.inside("page", "cat /www/index.html /data/row") == "one\nkept"
    # Nothing of it has changed, and so nothing happens to it.
    assert trial.container("other")["Id"] == other["Id"]


def test_a_build_that_fails_takes_nothing_down(trial: Trial) -> None:
    before = trial.container("page")
    trial.write(version="three && false", colour="blue")
    done = trial.run("up")
    assert done.returncode == 1
    after = trial.container("page")
    assert (after["Id"], after["State"]["StartedAt"]) == (
        before["Id"],
        before["State"]["StartedAt"],
    )
    assert after["State"]["Running"] is True


def test_the_history_tells_what_was_new_and_has_no_secret(trial: Trial) -> None:
    found = json.loads(trial.good("history", "--json"))
    assert [one["number"] for one in found] == [1, 2, 3]
    assert found[0]["news"] == ["other, page"]
    (news,) = found[1]["news"]
    assert news.startswith("page: history-page ")
    assert (found[2]["back_to"], found[2]["news"]) == (1, ["back to 1"])
    records = sorted((trial.environment.directory / "history").glob("*.json"))
    assert len(records) == 3
    for record in records:
        assert SECRET not in record.read_text()
    assert not (trial.environment.secrets / "former").exists()
    assert SECRET not in trial.good("history")


def test_a_number_that_is_not_there_is_told_with_those_that_are(trial: Trial) -> None:
    done = trial.run("rollback", "9")
    assert done.returncode == 2
    assert done.stderr == (
        "error: rollback: must be the number of a deployment of history-test, got 9; there are 1 "
        "to 3\n"
    )


def test_a_failed_deployment_tells_what_the_container_said(trial: Trial) -> None:
    trial.write(version="two", colour="blue", checked="nothing")
    done = trial.run("up")
    assert done.returncode == 1
    assert "docker: history-page-1: must be healthy, got unhealthy" in done.stderr
    assert "its last health checks:" in done.stderr
    assert "wget: server returned error: HTTP/1.1 404 Not Found" in done.stderr
    assert "the end of its output:" in done.stderr
    assert "response:404" in done.stderr
    assert f"look further at page with: ENVIRONMENT={trial.environment.settings_file}" in (
        done.stderr
    )
    assert ".venv/bin/moor logs page" in done.stderr
    assert "Error running command" not in done.stderr
    code, found = trial.status()
    assert (code, found["good"]) == (1, False)
    assert [line.partition(";")[0] for line in found["problems"]] == [
        "history-page-1: must be healthy, got unhealthy"
    ]


def test_after_a_failure_the_way_back_leads_to_what_was_deployed_last(trial: Trial) -> None:
    told = trial.good("rollback")
    assert "the services are those of deployment 3 again; this is on record as 4" in told
    assert trial.inside("page", "cat /www/index.html /data/row") == "one\nkept"
    trial.write(other="echo it begins; echo and falls over; exit 3")
    done = trial.run("up")
    assert done.returncode == 1
    assert "history-other-1: must run, got exited (3)" in done.stderr
    assert "the end of its output:" in done.stderr
    assert "and falls over" in done.stderr
    trial.write()
    told = trial.good("up")
    # What runs is what the last record says.
    assert "recorded as deployment" not in told
    assert [one["number"] for one in json.loads(trial.good("history", "--json"))] == [1, 2, 3, 4]


def test_drift_is_told(trial: Trial) -> None:
    docker_host = Outputs.load(trial.environment).docker_host
    certificates = trial.environment.certificates
    with closing(machine_engine.connect(docker_host, certificates)) as docker:
        docker.containers.get("history-other-1").remove(force=True)
    code, found = trial.status("--drift")
    assert code == 1
    assert [one["name"] for one in found["drift"]["docker"]["drifted"]] == ["history-other-1"]
    assert found["drift"]["aws"] == {"drifted": [], "pending": 0}
    assert found["problems"][0] == "history-other-1: must be there, got nothing"


def test_a_machine_that_is_gone_is_one_line(trial: Trial) -> None:
    _, before = trial.status()
    (machine,) = before["machines"]
    ec2 = client(trial.sandbox(), "ec2")
    ec2.terminate_instances(InstanceIds=[machine["instance_id"]])
    wait_for(
        lambda: all(i.state != "running" for i in trial.sandbox().status().instances),
        "the machine is gone",
    )
    gone = f"history-test: machine {machine['instance_id']}: must be there, got none in EC2: "
    # On a busy computer EC2 may not answer in the time that a person waits for a screen.
    deadline = time.monotonic() + PATIENCE
    while True:
        code, found = trial.status()
        assert (code, found["services_known"], len(found["problems"])) == (1, False, 1)
        if found["problems"][0].startswith(gone) or time.monotonic() > deadline:
            break
    assert found["problems"][0].startswith(f"{gone}it is gone; ")
