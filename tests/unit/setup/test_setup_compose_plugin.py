"""Docker's Compose plugin: the user's, or one that is built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constructs_lib.compose import plugin
from setup import compose_plugin
from setup.compose_plugin import ComposePlugin
from setup.project import Project
from setup.step import Context


def _step(root: Path, says: str) -> ComposePlugin:
    program = root / "bin" / "docker"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    return ComposePlugin(
        Context(project=Project(root=root), variables={"PATH": f"{program.parent}:/bin:/usr/bin"})
    )


@pytest.mark.parametrize("version", ["2.30.0", "v2.40.3", "2.36.2-desktop.1", "5.0.1"])
def test_the_users_plugin_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    step = _step(tmp_path, f"echo {version}")
    monkeypatch.setenv("PATH", step.context.variables["PATH"])
    assert step.inputs()["needed"] is False
    assert step.is_intact()
    assert step.run() == "Docker's own Compose plugin is used"


def test_the_users_plugin_takes_the_place_of_one_that_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = _step(tmp_path, "echo 2.40.3")
    monkeypatch.setenv("PATH", step.context.variables["PATH"])
    step._binary.parent.mkdir(parents=True)
    step._binary.write_text("#!/bin/sh\n")
    step._binary.chmod(0o755)
    assert not step.is_intact()
    step.run()
    assert not step._binary.exists()
    assert step.is_intact()


@pytest.mark.parametrize("says", ["echo 2.29.7", "echo 1.29.2", "exit 1", "echo 2.40.3; exit 1"])
def test_one_is_built_where_the_users_will_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    step = _step(tmp_path, says)
    monkeypatch.setenv("PATH", step.context.variables["PATH"])
    assert step.inputs()["needed"] is True
    assert not step.is_intact()


def test_set_up_and_reader_agree() -> None:
    assert compose_plugin.OLDEST == plugin.OLDEST
    step = ComposePlugin(Context(project=Project.here(), variables={}))
    assert step._binary == plugin.BUILT


def test_the_module_names_the_version() -> None:
    text = (Path(compose_plugin.__file__).parent / "compose" / "go.mod").read_text()
    assert f"github.com/docker/compose/v2 v{compose_plugin.VERSION}" in text


def test_what_both_programs_need_has_one_version() -> None:
    """What differs is compiled twice, with all that is above it: a minute of two processors."""
    folder = Path(compose_plugin.__file__).parent
    compose, provider = (
        dict(re.findall(r"^\t(\S+) (v\S+)", (folder / name / "go.mod").read_text(), re.MULTILINE))
        for name in ("compose", "provider")
    )
    different = {
        name for name in compose.keys() & provider.keys() if compose[name] != provider[name]
    }

    assert different == {
        # The provider's own release cannot be compiled with those that Compose needs.
        "github.com/docker/buildx",
        "github.com/moby/buildkit",
        # Compose itself, what it alone is built on, and what nothing else stands on.
        "github.com/compose-spec/compose-go/v2",
        "github.com/docker/cli-docs-tool",
        "github.com/docker/compose/v2",
        "go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp",
        "go.uber.org/mock",
    }
