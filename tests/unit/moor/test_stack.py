"""The stacks of a synthesis, in the order of their references."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from moor.failure import CommandError
from moor.toolchain.stack import CONFIGURATION, Stack, load_stacks

if TYPE_CHECKING:
    from pathlib import Path


def stack(name: str, *dependencies: str) -> dict[str, Any]:
    """Return what cdktf says of a stack."""
    return {
        "name": name,
        "constructPath": name,
        "workingDirectory": f"stacks/{name}",
        "synthesizedStackPath": f"stacks/{name}/cdk.tf.json",
        "dependencies": list(dependencies),
        "annotations": [],
    }


def manifest(output: Path, *stacks: dict[str, Any]) -> None:
    document = {"version": "0.21.0", "stacks": {one["name"]: one for one in stacks}}
    (output / "manifest.json").write_text(json.dumps(document), encoding="utf-8")


def test_the_stacks_of_the_project(tmp_path: Path) -> None:
    manifest(tmp_path, stack("aws"), stack("docker", "aws"))
    assert load_stacks(tmp_path) == [
        Stack(name="aws", folder=tmp_path / "stacks" / "aws"),
        Stack(name="docker", folder=tmp_path / "stacks" / "docker", depends_on=("aws",)),
    ]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_what_others_depend_on_comes_first(tmp_path: Path, order: list[int]) -> None:
    stacks = [stack("a", "b", "d"), stack("b", "c"), stack("c"), stack("d", "c")]
    manifest(tmp_path, *(stacks[n] for n in order))
    names = [one.name for one in load_stacks(tmp_path)]
    assert sorted(names) == ["a", "b", "c", "d"]
    assert names[0] == "c"
    assert names[-1] == "a"


def test_no_stacks(tmp_path: Path) -> None:
    manifest(tmp_path)
    assert load_stacks(tmp_path) == []


def test_it_fails_when_nothing_was_synthesized(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    with pytest.raises(CommandError) as caught:
        load_stacks(tmp_path)
    assert str(caught.value) == (
        f"{file}: must be a manifest that cdktf wrote, got: "
        f"FileNotFoundError(2, 'No such file or directory'); synthesize again"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "JSONDecodeError('Expecting value: line 1 column 1 (char 0)')"),
        ("[]", "TypeError('list indices must be integers or slices, not str')"),
        ("{}", "KeyError('stacks')"),
        ('{"stacks": []}', "AttributeError(\"'list' object has no attribute 'items'\")"),
        ('{"stacks": {"aws": {}}}', "KeyError('workingDirectory')"),
        (
            '{"stacks": {"aws": {"workingDirectory": "x", "dependencies": null}}}',
            "TypeError(\"'NoneType' object is not iterable\")",
        ),
        (
            json.dumps({"stacks": {"a": stack("a", "b"), "b": stack("b", "a")}}),
            "stacks that depend on each other: a, b, a",
        ),
        (
            json.dumps({"stacks": {"a": stack("a", "b")}}),
            "KeyError('b')",
        ),
    ],
)
def test_it_fails_when_the_manifest_is_not_whole(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "manifest.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        load_stacks(tmp_path)
    message = str(caught.value).replace("a, b, a", "b, a, b").replace("b, a, b", "a, b, a")
    assert message == (
        f"{file}: must be a manifest that cdktf wrote, got: {reason}; synthesize again"
    )


DOCUMENT = {
    "resource": {
        "docker_container": {
            "Web_1": {"//": {"metadata": {"path": "docker/Compose/Services/web/1/Resource"}}},
            "Api_1": {"//": {"metadata": {"path": "docker/Compose/Services/api/1/Resource"}}},
        },
        "docker_network": {"N": {"//": {"metadata": {"path": "docker/Compose/Networks/n"}}}},
        "terraform_data": {"T": {}},
    },
}


def write(folder: Path, document: object) -> Stack:
    (folder / CONFIGURATION).write_text(json.dumps(document), encoding="utf-8")
    return Stack(name="docker", folder=folder)


def test_a_configuration(tmp_path: Path) -> None:
    assert write(tmp_path, DOCUMENT).document() == DOCUMENT


def test_addresses_of_some_paths(tmp_path: Path) -> None:
    one = write(tmp_path, DOCUMENT)
    assert one.addresses(lambda path: path.startswith("Compose/Services/web/")) == [
        "docker_container.Web_1"
    ]
    seen: list[str] = []

    def see(path: str) -> bool:
        seen.append(path)
        return False

    assert one.addresses(see) == []
    assert seen == [
        "Compose/Services/web/1/Resource",
        "Compose/Services/api/1/Resource",
        "Compose/Networks/n",
        "",
    ]
    assert len(one.addresses(lambda _: True)) == 4
    assert write(tmp_path, {}).addresses(lambda _: True) == []


def test_each_resource_has_a_path_without_the_stack(tmp_path: Path) -> None:
    assert write(tmp_path, DOCUMENT).paths()[1:] == [
        ("docker_container.Api_1", "Compose/Services/api/1/Resource"),
        ("docker_network.N", "Compose/Networks/n"),
        ("terraform_data.T", ""),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "[Errno 2] No such file or directory: '{file}'"),
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[1]", "a list"),
        ("null", "a NoneType"),
    ],
)
def test_it_fails_when_a_configuration_cannot_be_read(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    file = tmp_path / CONFIGURATION
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        Stack(name="docker", folder=tmp_path).document()
    assert str(caught.value) == (
        f"{file}: must be a configuration that cdktf wrote, got: {reason.format(file=file)}; "
        "synthesize again"
    )
