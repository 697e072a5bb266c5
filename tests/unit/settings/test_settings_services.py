"""The services of an environment: its files, its variables, and the ports that are theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from settings_files import OFFICE

from constructs_lib.compose.errors import ComposeError
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from constructs_lib.settings.services import load_services

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.settings.settings import Settings

COMPOSE = """\
services:
  web:
    image: ${IMAGE}
    labels: {environment: "${ENVIRONMENT}"}
    ports: ["%s:80"]
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(name="trial", settings_file=tmp_path / "trial.yaml", root=tmp_path)


def written(environment: Environment, port: int, variables: str = "{IMAGE: nginx}") -> Settings:
    (environment.root / "compose.yaml").write_text(COMPOSE % port, encoding="utf-8")
    environment.settings_file.write_text(
        "project: shop\n"
        "services: compose.yaml\n"
        f"variables: {variables}\n"
        "aws:\n"
        "  region: eu-central-1\n"
        f"  ssh: {{cidrs: [{OFFICE}], port: 2022}}\n"
        f"  docker_api: {{cidrs: [{OFFICE}], service_ports: [9200]}}\n",
        encoding="utf-8",
    )
    return load_settings(environment.settings_file)


def test_the_services_are_the_projects_with_the_variables_of_the_settings(
    environment: Environment,
) -> None:
    project = load_services(environment, written(environment, 80))
    web = project.services["web"]
    assert (project.name, web.image) == ("shop", "nginx")
    assert web.options.labels["environment"] == "trial"


def test_the_environments_name_may_be_replaced(environment: Environment) -> None:
    settings = written(environment, 80, "{IMAGE: nginx, ENVIRONMENT: other}")
    assert load_services(environment, settings).services["web"].options.labels == {
        "environment": "other"
    }


def test_a_variable_that_is_not_set_is_what_the_settings_say(environment: Environment) -> None:
    settings = written(environment, 80)
    file = environment.root / "compose.yaml"
    file.write_text(file.read_text().replace("${IMAGE}", "x${NOPE_NEVER}"))
    (warning,) = load_services(environment, settings).warnings
    assert 'services.web.image: variable "NOPE_NEVER" is not set' in warning
    strict = settings.model_copy(update={"unset_variables": "error"})
    with pytest.raises(ComposeError, match="NOPE_NEVER"):
        load_services(environment, strict)


@pytest.mark.parametrize("port", [80, 443, 9200])
def test_services_may_publish_what_is_opened_for_them(environment: Environment, port: int) -> None:
    assert load_services(environment, written(environment, port)).published_tcp_ports == {
        "web": port
    }


@pytest.mark.parametrize("port", [8080, 2022, 2376])
def test_it_fails_when_a_port_is_not_open_or_is_the_machines_own(
    environment: Environment, port: int
) -> None:
    settings = written(environment, port)
    with pytest.raises(ComposeError, match=f"no security group opens port {port}"):
        load_services(environment, settings)


def test_the_content_of_a_secret_comes_from_the_settings_first(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = written(environment, 80, "{IMAGE: nginx, TOKEN: from-the-settings}")
    monkeypatch.setenv("TOKEN", "from-outside")
    monkeypatch.setenv("OTHER", "from-outside")
    file = environment.root / "compose.yaml"
    file.write_text(
        "services: {web: {image: x, secrets: [a, b]}}\n"
        "secrets: {a: {environment: TOKEN}, b: {environment: OTHER}}\n"
    )
    project = load_services(environment, settings)
    assert project.contents == {"TOKEN": "from-the-settings", "OTHER": "from-outside"}
    assert "from-outside" not in repr(project)
