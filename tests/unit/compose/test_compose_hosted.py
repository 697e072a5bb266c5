"""The hosted files of the corpus: read, checked and synthesized, without any engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hosted import (
    FOLDER,
    PROJECT,
    RESULTS,
    Hosted,
    document,
    environment,
    hosted,
    openings,
    override,
)
from hosted_page import PAGE, page
from synthesis import counts, synth_of

from constructs_lib.compose.check import check
from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.reader import load_project
from constructs_lib.compose.services import ComposeServices
from constructs_lib.host.endpoint import DockerEndpoint

if TYPE_CHECKING:
    from cdktf import TerraformStack

    from constructs_lib.compose.model import ComposeProject

APPS = hosted()


def _synthesized(project: ComposeProject, folder: Path) -> dict[str, int]:
    def define(stack: TerraformStack) -> None:
        ComposeServices(
            stack,
            "Compose",
            project=project,
            endpoint=DockerEndpoint(host="192.0.2.1", port=2376, certificates=Path("/c")),
            vault=Vault(folder),
            value_of=lambda name: f"content of {name}",
        )

    return counts(synth_of(define))


def test_the_table_has_each_file() -> None:
    assert len(APPS) >= 60
    files = FOLDER.glob("*/compose.yaml")
    assert [app.name for app in APPS] == sorted(file.parent.name for file in files)


@pytest.mark.parametrize("app", [app for app in APPS if not app.refused], ids=lambda app: app.name)
def test_a_hosted_file_becomes_resources(app: Hosted, tmp_path: Path) -> None:
    project = load_project([app.file], name=PROJECT, environment=environment())
    check(project, openings=openings(project))
    assert len(project.services) == app.services
    assert sum(service.replicas for service in project.services.values()) == app.containers
    assert _synthesized(project, tmp_path)["docker_container"] == app.containers


@pytest.mark.parametrize("app", [app for app in APPS if app.refused], ids=lambda app: app.name)
def test_what_is_refused_is_told_with_its_place(app: Hosted) -> None:
    with pytest.raises(ComposeError) as caught:
        load_project([app.file], name=PROJECT, environment=environment())
    for problem in caught.value.problems:
        assert problem.count(f"hosted/{app.name}/compose.yaml: ") == 1
        assert "; " in problem


@pytest.mark.parametrize(
    "app", [app for app in APPS if app.ends or app.bases], ids=lambda app: app.name
)
def test_the_table_knows_what_ends_and_what_is_built(app: Hosted) -> None:
    services = document(app.file)["services"]
    assert set(app.ends) <= set(services)
    assert bool(app.bases) == any("build" in body for body in services.values())


def test_the_page_tells_what_was_seen() -> None:
    seen = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert set(seen) <= {app.name for app in APPS if not app.refused and not app.sandbox_cannot}
    assert PAGE.read_text(encoding="utf-8") == page(APPS, seen)


def test_only_images_checks_and_limits_are_another_s() -> None:
    (app,) = (app for app in APPS if app.name == "search_cluster")
    found = override(app, document(app.file), "192.0.2.1:5000")["services"]
    assert found["es02"] == {
        "image": (
            "192.0.2.1:5000/search_cluster/docker.elastic.co/elasticsearch/elasticsearch:8.18.3"
        ),
        "ulimits": {"memlock": {"soft": 4096, "hard": 4096}},
    }
    assert set(found["es01"]) == {"image", "ulimits", "healthcheck"}
