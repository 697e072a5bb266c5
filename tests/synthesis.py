"""Synthesize a stack, and look at it without the names that cdktf makes up."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cdktf import App, TerraformStack, Testing
from cdktf_cdktf_provider_aws.provider import AwsProvider
from cdktf_cdktf_provider_docker.provider import DockerProvider

from constructs_lib.aws.machine import Machine
from constructs_lib.aws.machine_image import MachineImage
from constructs_lib.aws.security_group import SecurityGroup

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).resolve().parent.parent

Json = dict[str, Any]

_HASHED_NAME: Final = re.compile(r"(?<=[\w-])_[0-9A-F]{8}(?![0-9A-Za-z])")
# The name of an output for another stack joins the hash and the attribute.
_CROSS_STACK: Final = re.compile(r"(cross-stack-output-\w+?)[0-9A-F]{8}(?=[a-z])")


def synth(stack: TerraformStack) -> Json:
    """Synthesize one stack, with every validation.

    Returns:
        The stack's `cdk.tf.json`, with `NAME` for each `NAME_0123ABCD`.

    Raises:
        AssertionError: Two resources differ by that hash only.
    """
    stack.prepare_stack()  # or else references between stacks dangle
    document: Json = without_hashes(json.loads(Testing.synth(stack, True)))
    return document


def new_app() -> App:
    """Make an app for tests: `Testing`, in a test module, would be taken for a test."""
    return Testing.app()


def new_stack() -> TerraformStack:
    """Make an empty stack in an app of its own."""
    return TerraformStack(new_app(), "test")


def synth_of(define: Callable[[TerraformStack], object]) -> Json:
    """Synthesize what a function puts into a stack of its own."""
    stack = new_stack()
    AwsProvider(stack, "AwsProvider", region="eu-central-1")
    DockerProvider(stack, "DockerProvider", host="tcp://192.0.2.1:2376")
    define(stack)
    return synth(stack)


def without_hashes(value: Any) -> Any:  # noqa: ANN401  (whatever JSON holds)
    """Take the hashes out of the names, in keys and in references."""
    if isinstance(value, dict):
        renamed = {without_hashes(key): without_hashes(item) for key, item in value.items()}
        assert len(renamed) == len(value), f"names that differ by their hash only: {list(value)}"
        return renamed
    if isinstance(value, list):
        return [without_hashes(item) for item in value]
    if isinstance(value, str):
        return _CROSS_STACK.sub(r"\1_", _HASHED_NAME.sub("", value))
    return value


def counts(document: Json) -> dict[str, int]:
    """Count the resources and data sources of each type; a data source's begins `data.`."""
    found = Counter({kind: len(items) for kind, items in document.get("resource", {}).items()})
    found.update({f"data.{kind}": len(items) for kind, items in document.get("data", {}).items()})
    return dict(found)


def only(document: Json, kind: str) -> Json:
    """Return the one resource of a type.

    Raises:
        AssertionError: There are several, or none.
    """
    found = document.get("resource", {}).get(kind, {})
    assert len(found) == 1, f"{kind}: {list(found)}"
    resource: Json = next(iter(found.values()))
    return resource


def provisioners(document: Json) -> list[tuple[str, Json]]:
    """Return the provisioners of the one `terraform_data`, in their order."""
    return [
        (kind, settings)
        for item in only(document, "terraform_data")["provisioner"]
        for kind, settings in item.items()
    ]


def words_of(local_exec: Json) -> list[str]:
    """Return the words of a command that runs on this computer: no shell takes them apart."""
    return [*local_exec["interpreter"], local_exec["command"]]


def plain_machine(scope: TerraformStack) -> Machine:
    """Define a machine as other tests need one: group `Group`, machine `Machine`."""
    return Machine(
        scope,
        "Machine",
        name="host",
        image=MachineImage(id="ami-0123456789abcdef0", owner="", name="", architecture=""),
        instance_type="t3.small",
        user_data="#cloud-config\n",
        security_groups=[
            SecurityGroup(
                scope, "Group", name="group", display_name="group", description="x", ingress=[]
            )
        ],
        root_volume_gib=20,
        key_name="existing",
    )
