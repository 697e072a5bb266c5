"""Which Compose reads the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from constructs_lib.compose import plugin

if TYPE_CHECKING:
    from pathlib import Path


def test_one_that_set_up_has_built_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "BUILT", tmp_path / "docker-compose")
    assert plugin.find_compose() == ("docker", "compose")
    (tmp_path / "docker-compose").touch(mode=0o644)
    assert plugin.find_compose() == ("docker", "compose")
    (tmp_path / "docker-compose").chmod(0o755)
    assert plugin.find_compose() == (str(tmp_path / "docker-compose"),)


@pytest.mark.parametrize(
    ("stderr", "missing"),
    [
        ("unknown flag: --all-resources\n", True),
        ("docker: 'compose' is not a docker command.\n", True),
        ("docker: unknown command: docker compose\n\nRun docker --help\n", True),
        ("services.web.imge additional properties 'imge' not allowed\n", False),
        ("", False),
    ],
)
def test_no_compose_is_told_apart_from_a_wrong_file(stderr: str, missing: bool) -> None:  # noqa: FBT001
    assert plugin.is_missing(stderr) is missing
