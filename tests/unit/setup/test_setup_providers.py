"""The choice between the registry and a mirror, on both sides."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from provider_files import PLATFORM, packed, unpacked

from setup.docker_provider import DockerProvider
from setup.errors import SetupError
from setup.providers import Providers, answers, must_build_docker
from setup.schedule import perform_all
from setup.terraform import load_record, save_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from setup.project import Project
    from setup.step import Context

WELL_KNOWN = json.dumps({"modules.v1": "/v1/modules/", "providers.v1": "/v1/providers/"})


@contextmanager
def registry(body: str = WELL_KNOWN, status: int = 200) -> Iterator[str]:
    """Answer like a registry, or like what stands in front of one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/.well-known/terraform.json"
            self.send_response(status if found else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_arguments: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def nobody() -> Iterator[str]:
    """Return a port on which nobody answers, and which nobody else gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def use(project: Project, kind: str) -> None:
    save_record(project, {"path": f"/usr/bin/{kind}", "kind": kind, "version": "1.11.4"})


def test_a_registry_that_answers_is_used(context: Context, tree: Path) -> None:
    unpacked(tree, "hashicorp/aws", "5.100.0")  # there, but not preferred
    use(context.project, "terraform")
    with registry() as url:
        perform_all([Providers(context, registry=url, trees=[tree])])

    record = load_record(context.project)
    assert record["configuration"] is None
    assert record["providers"] == {"source": "registry", "files": [], "docker": None}
    assert not context.project.terraform_configuration.exists()
    assert not must_build_docker(context.project)


def test_a_mirror_is_used_where_the_registry_does_not_answer(
    context: Context, tree: Path, nobody: str
) -> None:
    aws = unpacked(tree, "hashicorp/aws", "5.100.0")
    use(context.project, "terraform")
    perform_all([Providers(context, registry=nobody, trees=[tree])])

    configuration = context.project.terraform_configuration
    assert load_record(context.project) == {
        "path": "/usr/bin/terraform",
        "kind": "terraform",
        "version": "1.11.4",
        "configuration": str(configuration),
        "providers": {"source": "mirror", "files": [str(aws)], "docker": "build"},
    }
    assert configuration.read_text() == (
        "disable_checkpoint = true\n"
        "\n"
        "provider_installation {\n"
        "  filesystem_mirror {\n"
        f'    path    = "{tree}"\n'
        '    include = ["registry.terraform.io/hashicorp/aws"]\n'
        "  }\n"
        "  filesystem_mirror {\n"
        f'    path    = "{context.project.providers}"\n'
        '    include = ["registry.terraform.io/kreuzwerker/docker"]\n'
        "  }\n"
        "  direct {\n"
        '    exclude = ["registry.terraform.io/hashicorp/aws", '
        '"registry.terraform.io/kreuzwerker/docker"]\n'
        "  }\n"
        "}\n"
    )
    assert must_build_docker(context.project)


def test_a_docker_provider_that_is_there_is_not_built(
    context: Context, tree: Path, nobody: str
) -> None:
    unpacked(tree, "hashicorp/aws", "6.25.0")
    unpacked(tree, "kreuzwerker/docker", "4.6.0")
    use(context.project, "terraform")
    perform_all(
        [Providers(context, registry=nobody, trees=[tree]), DockerProvider(context)],
    )

    assert not must_build_docker(context.project)
    assert str(context.project.providers) not in context.project.terraform_configuration.read_text()


def test_opentofu_gets_real_folders_under_its_own_registry(
    context: Context, tree: Path, nobody: str
) -> None:
    unpacked(tree, "hashicorp/aws", "5.100.0")
    docker = packed(tree, "kreuzwerker/docker", "4.6.0")
    use(context.project, "tofu")
    perform_all([Providers(context, registry=nobody, trees=[tree])])

    mirror = context.project.providers / "registry.opentofu.org"
    aws = mirror / "hashicorp/aws/5.100.0" / PLATFORM / "terraform-provider-aws_v5.100.0_x5"
    assert aws.read_bytes() == b"binary aws"
    assert (mirror / "kreuzwerker/docker" / docker.name).read_bytes() == b"zip docker"
    assert not any(path.is_symlink() for path in mirror.rglob("*"))
    text = context.project.terraform_configuration.read_text()
    assert text.count("filesystem_mirror") == 1
    assert (
        'include = ["registry.opentofu.org/hashicorp/aws", '
        '"registry.opentofu.org/kreuzwerker/docker"]'
    ) in text


def test_the_decision_is_remembered_and_can_be_taken_anew(
    context: Context, tree: Path, nobody: str
) -> None:
    unpacked(tree, "hashicorp/aws", "5.100.0")
    use(context.project, "terraform")
    perform_all([Providers(context, registry=nobody, trees=[tree])])
    with registry() as url:
        step = Providers(context, registry=url, trees=[tree])
        assert step.is_current()
        perform_all([step])
        assert load_record(context.project)["providers"]["source"] == "mirror"
        perform_all([step], redo=["providers"])
    assert load_record(context.project)["providers"]["source"] == "registry"
    assert not context.project.terraform_configuration.exists()


def test_the_decision_is_taken_anew_when_the_mirror_is_gone(
    context: Context, tree: Path, nobody: str
) -> None:
    aws = unpacked(tree, "hashicorp/aws", "5.100.0")
    use(context.project, "terraform")
    step = Providers(context, registry=nobody, trees=[tree])
    perform_all([step])
    aws.rename(aws.with_name("elsewhere"))

    assert not step.is_current()


def test_the_decision_is_taken_anew_for_another_binary(
    context: Context, tree: Path, nobody: str
) -> None:
    unpacked(tree, "hashicorp/aws", "5.100.0")
    use(context.project, "terraform")
    step = Providers(context, registry=nobody, trees=[tree])
    perform_all([step])
    use(context.project, "tofu")

    assert not step.is_current()


def test_it_fails_when_there_is_neither(
    context: Context, home: Path, tree: Path, nobody: str
) -> None:
    unpacked(tree, "hashicorp/aws", "5.99.1")
    use(context.project, "terraform")
    with pytest.raises(SetupError) as caught:
        perform_all([Providers(context, registry=nobody, trees=[tree])])

    first, second = str(caught.value).splitlines()
    assert first == (
        "providers: registry.terraform.io: must answer, or a folder registry.terraform.io on "
        "this machine must have hashicorp/aws 5.100.0 or later, before 7.0.0, for "
        f"{PLATFORM}, got neither; allow access to the registry, or make such a folder with "
        "`terraform providers mirror` and put it into "
        f"{home / '.terraform.d' / 'plugins'}; these were looked into:"
    )
    assert second == f"    {tree / 'registry.terraform.io'}"


def test_the_users_own_configuration_is_the_last_resort(
    context: Context, home: Path, nobody: str
) -> None:
    own = home / ".terraformrc"
    own.write_text('provider_installation {\n  network_mirror { url = "https://example.org" }\n}\n')
    use(context.project, "terraform")
    perform_all([Providers(context, registry=nobody, trees=[])])

    record = load_record(context.project)
    assert record["configuration"] == str(own)
    assert record["providers"]["source"] == "user"


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (WELL_KNOWN, 200, True),
        ("<html>please log in</html>", 200, False),
        ("[]", 200, False),
        ('{"modules.v1": "/v1/modules/"}', 200, False),
        (WELL_KNOWN, 503, False),
        (WELL_KNOWN, 403, False),
    ],
)
def test_only_a_registry_counts_as_an_answer(body: str, status: int, *, expected: bool) -> None:
    with registry(body, status) as url:
        assert answers(url) is expected


def test_one_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not answers(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)


def test_a_configuration_that_may_not_be_read_is_told_before_anything_is_asked(
    context: Context, home: Path
) -> None:
    use(context.project, "terraform")
    variables = {**context.variables, "TF_CLI_CONFIG_FILE": str(home)}
    with registry() as url, pytest.raises(SetupError, match=r"^TF_CLI_CONFIG_FILE: "):
        Providers(replace(context, variables=variables), registry=url, trees=[]).perform()

    assert "providers" not in load_record(context.project)
