"""Each file of `compose_corpus/hosted` is deployed, and compared with what Compose makes of it.

`make test-compose` does that; a few of them are deployed in each run of the tests, beside the
corpus. What is seen is kept in `compose_corpus/hosted.json` where `UPDATE_CORPUS=1` is set, and
docs/hosted.md is made of it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hosted import RESULTS, Hosted, hosted
from hosted_trial import deploy_and_compare, ready
from test_compose_equivalence import machine  # noqa: F401  (the fixture)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from compose_machine import ComposeMachine
    from stand_ins import StandIns

pytestmark = pytest.mark.compose

CASES = [app for app in hosted() if not app.refused and not app.sandbox_cannot]


@pytest.fixture(scope="module")
def registry(machine: ComposeMachine) -> StandIns:  # noqa: F811  (the fixture)
    """Return the sandbox's registry, beside a machine that is ready for the files."""
    return ready(machine)


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Collect what is seen of a file, and keep it where that is asked for."""
    found: dict[str, Any] = {}
    yield found
    if found and os.environ.get("UPDATE_CORPUS") == "1":
        name = request.node.callspec.id
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        kept[name] = found
        text = json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False)
        RESULTS.write_text(text + "\n", encoding="utf-8")


@pytest.mark.parametrize("app", CASES, ids=lambda app: app.name)
def test_a_hosted_file_runs_and_is_what_compose_makes_of_it(
    machine: ComposeMachine,  # noqa: F811
    registry: StandIns,
    seen: dict[str, Any],
    tmp_path: Path,
    app: Hosted,
) -> None:
    deploy_and_compare(machine, registry, tmp_path, app, seen)
