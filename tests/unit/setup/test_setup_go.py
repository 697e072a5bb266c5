"""Programs from Go modules, with a stand-in for the Go command."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from setup import debian, docker_provider, go
from setup.docker_provider import DockerProvider
from setup.errors import SetupError
from setup.project import Project
from setup.schedule import perform_all
from setup.step import Context
from setup.terraform import load_record, save_record


@pytest.fixture
def step(project: Project, tmp_path: Path) -> DockerProvider:
    """Return a step that is needed, where Go writes what it was told."""
    source = project.root / "setup" / "provider"
    source.mkdir(parents=True)
    (source / "go.mod").touch()
    save_record(project, {"providers": {"source": "mirror", "docker": "build"}})
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\n[ $1 = list ] && exit\nmkdir -p "$GOCACHE"\n'
        'while [ "$1" != -o ]; do shift; done\n'
        'echo "$3" >"$2"\nchmod +x "$2"\n'
    )
    program.chmod(0o755)
    variables = {"HOME": str(tmp_path), "PATH": f"{program.parent}:/usr/bin:/bin"}
    return DockerProvider(Context(project=project, variables=variables))


def test_it_is_built_for_both_registries(step: DockerProvider) -> None:
    perform_all([step])

    package = "github.com/terraform-providers/terraform-provider-docker\n"
    for host in ("registry.terraform.io", "registry.opentofu.org"):
        (binary,) = (step.project.providers / host).rglob("terraform-provider-docker_v4.6.0")
        assert binary.read_text() == package
    assert step.is_current()


def test_what_it_was_built_from_is_recorded(step: DockerProvider) -> None:
    project = step.project
    sums = project.root / "setup" / "provider" / "go.sum"
    sums.write_text("sums\n")
    perform_all([step])
    file = docker_provider.build_record(project)
    assert file == project.docker_provider_record
    record = json.loads(file.read_text())
    (binary,) = (project.providers / "registry.terraform.io").rglob("terraform-provider-docker_*")
    assert record == {
        "source": "kreuzwerker/docker",
        "go": "unknown",
        "sums": hashlib.sha256(b"sums\n").hexdigest(),
        "checksum": docker_provider.package_hash(binary.parent),
    }
    # One that is changed later is not what was built; built anew it is.
    binary.write_text("changed")
    docker_provider.build_record(project)
    assert json.loads(file.read_text()) == record
    sums.write_text("others\n")
    perform_all([step])
    assert json.loads(file.read_text())["sums"] == hashlib.sha256(b"others\n").hexdigest()


def test_what_the_set_up_of_before_has_built_is_recorded_when_it_is_asked_for(
    step: DockerProvider,
) -> None:
    assert docker_provider.build_record(step.project) is None
    perform_all([step])
    step.project.docker_provider_record.unlink()
    assert docker_provider.build_record(step.project) == step.project.docker_provider_record
    assert step.project.docker_provider_record.exists()


def test_there_is_no_record_where_nothing_is_built(step: DockerProvider) -> None:
    save_record(step.project, {"providers": {"source": "registry", "docker": None}})
    assert docker_provider.build_record(step.project) is None


def test_a_program_tells_with_which_go_it_was_built(tmp_path: Path) -> None:
    terraform = load_record(Project.here())["path"]
    assert re.fullmatch(r"1\.\d+(\.\d+|rc\d+)?", go.version_of(Path(terraform)))
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert go.version_of(tmp_path / "script") == "unknown"


def test_the_checksum_is_the_one_that_terraform_writes(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "a").write_bytes(b"one")
    lines = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in (("a", b"one"), ("b", b"two"))
    )
    digest = base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()
    assert docker_provider.package_hash(tmp_path) == f"h1:{digest}"


def test_another_revision_is_built_anew(step: DockerProvider) -> None:
    perform_all([step])
    (step.project.root / "setup" / "provider" / "go.sum").write_text("other\n")

    assert not step.is_current()


def test_it_is_not_built_where_the_registry_answers(step: DockerProvider) -> None:
    save_record(step.project, {"providers": {"source": "registry", "docker": None}})
    perform_all([step])

    assert not step.project.providers.exists()
    assert step.is_current()


def test_a_failed_build_leaves_nothing_in_its_place(step: DockerProvider, tmp_path: Path) -> None:
    (tmp_path / "bin" / "go").write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    with pytest.raises(SetupError, match="no such module"):
        perform_all([step])

    assert not step.is_current()
    assert not any(path.is_file() for path in step.project.providers.rglob("*"))


def test_the_caches_are_deleted(step: DockerProvider) -> None:
    perform_all([step])
    cache = step.project.cache / "go-build"
    assert cache.is_dir()
    go.forget(step.project)

    assert not cache.exists()


def test_it_fails_when_there_is_no_go(
    step: DockerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "find_program", lambda *_arguments: None)
    monkeypatch.setattr(go, "_USUAL_PLACE", Path("/no/go"))
    with pytest.raises(SetupError) as caught:
        perform_all([step])

    assert str(caught.value) == (
        "docker-provider: go: must be there to build "
        "github.com/terraform-providers/terraform-provider-docker, got no such command; allow "
        "access to the provider registry, or install Go (its version is in "
        f"{step.project.root / 'setup' / 'provider' / 'go.mod'})"
    )


def test_the_module_pins_the_revision() -> None:
    text = (Path(docker_provider.__file__).parent / "provider" / "go.mod").read_text()

    assert "kreuzwerker/terraform-provider-docker v0.0.0-20260916201441-96d331c98ff4\n" in text
