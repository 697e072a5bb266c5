"""What Compose has read can be written down without its secrets, and read again as the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hosted import PROJECT, environment, hosted

from constructs_lib.compose.origins import origins
from constructs_lib.compose.reader import load_project
from moor.history.sealing import escaped, seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hosted import Hosted

APPS = [app for app in hosted() if not app.refused]


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_each_hosted_file_is_the_same_after_it_was_recorded(app: Hosted, tmp_path: Path) -> None:
    variables = environment()
    project = load_project([app.file], name=PROJECT, environment=variables)
    found = origins([app.file], name=PROJECT, variables={}, plain=[], environment=variables)
    sealed = seal(project.document, found)
    document = json.loads(json.dumps(sealed.document))
    left = "\n".join(_texts(document))
    for value in (*sealed.values.values(), *sealed.variables.values()):
        assert len(value) < 6 or value not in left
    for name, body in document["services"].items():
        if "image" not in body:
            body["build"] = escaped(project.document["services"][name]["build"])
    file = tmp_path / "former.json"
    file.write_text(json.dumps(document))
    again = load_project(
        [file],
        folder=app.file.parent,
        name=PROJECT,
        environment={**variables, **sealed.values},
    )
    assert again.services.keys() == project.services.keys()
    for name, service in project.services.items():
        # How an image is made, and whether a profile wants it, is in no record.
        other = replace(again.services[name], build=service.build, image=service.image)
        assert replace(other, pull=service.pull) == service, name
    assert (again.networks, again.volumes) == (project.networks, project.volumes)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  (JSON)
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
