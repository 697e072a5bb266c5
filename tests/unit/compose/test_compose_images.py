"""Images of services: each pulled or built once, and told apart by what goes into them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from synthesis import Json, counts, synth_of

from constructs_lib.compose.delivery import Vault
from constructs_lib.compose.errors import ComposeError
from constructs_lib.compose.reader import load_project
from constructs_lib.compose.services import ComposeServices
from constructs_lib.docker.build_context import ContextError
from constructs_lib.host.endpoint import DockerEndpoint
from constructs_lib.terraform.literal import Expression

if TYPE_CHECKING:
    from cdktf import TerraformStack


def synthesized(folder: Path, text: str) -> Json:
    file = folder / "compose.yaml"
    file.write_text(text, encoding="utf-8")
    project = load_project([file], name="moor", variables={"TOKEN": "very secret"})

    def define(stack: TerraformStack) -> None:
        ComposeServices(
            stack,
            "Compose",
            project=project,
            endpoint=DockerEndpoint(
                host="192.0.2.1",
                port=2376,
                certificates=Path("/certificates"),
                machine=Expression("${machine.id}"),
            ),
            vault=Vault(folder / "vault"),
            value_of=lambda _name: "very secret",
        )

    return synth_of(define)


def definitions(folder: Path) -> dict[str, Any]:
    """Return what the builder is told, by service."""
    found: dict[str, Any] = {}
    for file in (folder / "vault" / "builds").glob("*.json"):
        found |= json.loads(file.read_bytes())["services"]
    return found


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text("FROM busybox:1\nCOPY . /\n", encoding="utf-8")
    return tmp_path


def test_57_services_share_what_is_the_same(context: Path) -> None:
    build = "{context: ./app, args: {A: '1'}}"
    text = "services:\n"
    text += "".join(f"  b{n}: {{build: {build}}}\n" for n in range(19))
    text += "".join(f"  p{n}: {{image: 'nginx:1.{n % 3}'}}\n" for n in range(38))
    document = synthesized(context, text)
    found = counts(document)
    assert found["docker_container"] == 57
    assert found["docker_image"] == 4, "three that are pulled, and one that is built"
    assert found["terraform_data"] == 1
    lookups = document["data"]["docker_registry_image"]
    assert sorted(body["name"] for body in lookups.values()) == [
        "busybox:1", "nginx:1.0", "nginx:1.1", "nginx:1.2",
    ]  # fmt: skip


def test_ids_do_not_depend_on_which_services_there_are(context: Path) -> None:
    two = "services:\n  a: {image: nginx}\n  b: {image: nginx}\n"
    before = synthesized(context, two + "  c: {build: ./app}\n  d: {build: ./app}\n")
    after = synthesized(context, "services:\n  b: {image: nginx}\n  d: {build: ./app}\n")
    for kind in ("docker_image", "terraform_data"):
        assert before["resource"][kind].keys() == after["resource"][kind].keys()
    assert before["moved"] == [
        {
            "from": "docker_image.Compose_Services_a_Image_7D50ECA0",
            "to": "docker_image.Compose_Images_nginx",
        }
    ] or before["moved"][0]["to"].startswith("docker_image.Compose_Images_nginx")


def test_an_image_is_the_built_one_with_or_without_its_tag(context: Path) -> None:
    document = synthesized(
        context,
        "services:\n  a: {image: 'myapp:latest', build: ./app}\n  b: {image: myapp}\n"
        "  c: {image: docker.io/library/myapp, pull_policy: never}\n",
    )
    assert counts(document)["docker_image"] == 1
    images = {body["image"] for body in document["resource"]["docker_container"].values()}
    assert len(images) == 1


def test_an_image_that_is_on_the_machine_is_asked_for_there(context: Path) -> None:
    document = synthesized(context, "services: {a: {image: mine, pull_policy: never}}")
    assert "docker_image" not in counts(document)
    assert [body["name"] for body in document["data"]["docker_image"].values()] == ["mine"]
    assert "docker_registry_image" not in document["data"]


def triggers(document: Json) -> dict[str, str]:
    (step,) = document["resource"]["terraform_data"].values()
    return dict(step["triggers_replace"])


def test_a_plan_tells_why_an_image_is_built_again(context: Path) -> None:
    text = "services: {a: {build: {context: ./app, args: {V: '1'}}}}"
    before = triggers(synthesized(context, text))
    assert set(before) == {
        "argument V", "base busybox:1", "context", "dockerfile", "machine", "options",
    }  # fmt: skip
    assert before["machine"] == "${machine.id}"
    assert triggers(synthesized(context, text)) == before
    after = triggers(synthesized(context, text.replace("'1'", "'2'")))
    assert {key for key in before if before[key] != after[key]} == {"argument V"}
    (context / "app" / "new").touch()
    after = triggers(synthesized(context, text))
    assert {key for key in before if before[key] != after[key]} == {"context"}


def test_secrets_of_a_build_are_told_to_the_builder_alone(context: Path) -> None:
    (context / "key").write_text("a key", encoding="utf-8")
    document = synthesized(
        context,
        "services: {a: {build: {context: ./app, secrets: [t, k]}}}\n"
        "secrets: {t: {environment: TOKEN}, k: {file: ./key}}\n",
    )
    assert "very secret" not in json.dumps(document)
    (file,) = (context / "vault" / "builds").glob("*.json")
    assert "very secret" not in file.read_text(encoding="utf-8")
    secrets = json.loads(file.read_bytes())["secrets"]
    assert secrets["k"] == {"file": str(context / "key")}
    assert Path(secrets["t"]["file"]).read_text(encoding="utf-8") == "very secret"
    for path in (context / "vault").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_an_image_of_this_file_comes_before_what_begins_with_it(context: Path) -> None:
    document = synthesized(
        context,
        "services:\n"
        "  a: {build: {context: ./app, dockerfile_inline: 'FROM ours'}}\n"
        "  b: {build: {context: ./app, additional_contexts: {c: 'service:z'}}}\n"
        "  z: {image: ours, build: {context: ., dockerfile_inline: 'FROM scratch'}}\n",
    )
    told = definitions(context)
    name = told["z"]["image"]
    assert told["a"]["build"]["additional_contexts"] == {"ours": f"docker-image://{name}"}
    assert told["b"]["build"]["additional_contexts"] == {"c": f"docker-image://{name}"}
    waits = json.dumps(document["resource"]["terraform_data"])
    assert waits.count("_Build.id}") == 2


def test_an_image_may_have_the_name_of_the_one_that_it_begins_with(context: Path) -> None:
    document = synthesized(context, "services: {a: {image: 'busybox:1', build: ./app}}")
    assert "base busybox:1" in triggers(document)


def test_builds_that_need_each_other_are_told(context: Path) -> None:
    text = "services:\n"
    for one, other in ("ab", "ba"):
        text += (
            f"  {one}: {{build: {{context: ./app, target: {one}, "
            f"additional_contexts: {{x: 'service:{other}'}}}}}}\n"
        )
    with pytest.raises(ContextError, match="must not need itself, got a -> b -> a"):
        synthesized(context, text)


def test_what_cannot_be_read_is_told_with_its_service(context: Path) -> None:
    (context / "app" / ".dockerignore").write_bytes(b"\xff\n")
    with pytest.raises(ContextError, match=r"compose.yaml: services.a.build.context: must have"):
        synthesized(context, "services: {a: {build: ./app}}")


def test_a_key_for_ssh_is_told_to_the_builder(context: Path) -> None:
    (context / "id").touch()
    synthesized(context, "services: {a: {build: {context: ./app, ssh: [default, k=./id]}}}")
    assert definitions(context)["a"]["build"]["ssh"] == ["default", f"k={context / 'id'}"]


def test_a_secret_of_a_build_must_have_a_value(context: Path) -> None:
    with pytest.raises(ComposeError, match=r'services.a: variable "NO_SUCH" is not set'):
        synthesized(
            context,
            "services: {a: {build: {context: ./app, secrets: [t]}}}\n"
            "secrets: {t: {environment: NO_SUCH}}\n",
        )
