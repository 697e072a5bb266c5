"""Another machine in the place of one: what may be asked for, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from settings_files import document

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.settings import Settings
from moor import replacement
from moor.failure import CommandError, WrongUseError
from moor.session import Session
from moor.toolchain.stack import CONFIGURATION, Stack

if TYPE_CHECKING:
    from pathlib import Path

    from moor.deployment import Deployment

RESOURCES: dict[str, Any] = {
    "aws_instance": {
        "Machine_1": {
            "ami": "ami-1",
            "instance_type": "t3.small",
            "//": {"metadata": {"path": "aws/Machine/Resource"}},
        }
    },
    "aws_key_pair": {"Key_1": {"//": {"metadata": {"path": "aws/Machine/KeyPair"}}}},
}


class Trial:
    """The part of a deployment that is used, and what was done with it.

    Attributes:
        session: The command.
        stacks: The first stack.
        done: What was done, in order.
    """

    def __init__(self, folder: Path, aws: dict[str, Any]) -> None:
        """Write a configuration."""
        self.session = session_of(folder, aws)
        (folder / CONFIGURATION).write_text(json.dumps({"resource": RESOURCES}), encoding="utf-8")
        self.stacks = [Stack(name="aws", folder=folder)]
        self.done: list[object] = []

    def renew(self, addresses: list[str]) -> None:
        """Note it."""
        self.done.append(addresses)

    def up(self, *, approve: bool) -> None:
        """Note it."""
        self.done.append(approve)


def session_of(folder: Path, aws: dict[str, Any]) -> Session:
    session = Session(environment=Environment.from_variable(folder, {"ENVIRONMENT": "production"}))
    session.__dict__["settings"] = Settings.model_validate(document(**aws))
    return session


WITH_A_VOLUME: dict[str, Any] = {"data_volume": {"size_gib": 20}}


def replaced(folder: Path, *names: str, lose: bool = False, **aws: Any) -> list[object]:  # noqa: ANN401
    trial = Trial(folder, aws)
    replacement.replace(cast("Deployment", trial), names, approve=True, lose_volumes=lose)
    return trial.done


@pytest.mark.parametrize("names", [(), ("manager-1",)])
def test_the_machine_is_made_anew_and_everything_deployed(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    assert replaced(tmp_path, *names, **WITH_A_VOLUME) == [["aws_instance.Machine_1"], True]


def test_without_a_data_volume_only_who_says_so_loses_the_data(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        replaced(tmp_path)
    file = tmp_path / "environments" / "production.yaml"
    assert str(caught.value) == (
        f"{file}: aws.data_volume: must be set for a machine to be replaced without loss, got "
        "none; add it and deploy, or say --lose-volumes where all that is on the machine may go"
    )
    assert replaced(tmp_path, lose=True) == [["aws_instance.Machine_1"], True]


def test_another_name_is_no_machine(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match=r"did you mean manager-1\?"):
        replaced(tmp_path, "manager-2", **WITH_A_VOLUME)


@pytest.mark.parametrize("value", [None, "newest"])
def test_the_image_is_what_the_settings_find(tmp_path: Path, value: str | None) -> None:
    session = session_of(tmp_path, {})
    assert replacement.checked_image(value, session, ["manager-1"]) is None


def test_the_newest_image_is_not_the_one_that_the_settings_name(tmp_path: Path) -> None:
    session = session_of(tmp_path, {"image": {"id": "ami-0123456789abcdef0"}})
    with pytest.raises(WrongUseError) as caught:
        replacement.checked_image("newest", session, ["manager-1"])
    assert str(caught.value) == (
        f"--image: must not be newest where {session.environment.settings_file} names one in "
        "aws.image.id, got ami-0123456789abcdef0 there; remove that, or give an id here"
    )
    assert replacement.checked_image(None, session, ["manager-1"]) is None


def test_what_is_no_image_and_no_type_is_refused(tmp_path: Path) -> None:
    session = session_of(tmp_path, {})
    with pytest.raises(WrongUseError) as caught:
        replacement.checked_image("latest", session, ["manager-1"])
    assert str(caught.value) == (
        "--image: must be newest, or the id of an image such as ami-0abc, got 'latest'"
    )
    with pytest.raises(WrongUseError) as caught:
        replacement.checked_type("big one")
    assert str(caught.value) == ("--type: must be an instance type such as t3.small, got 'big one'")


def test_what_was_asked_for_is_in_the_configuration_and_nothing_else_changes(
    tmp_path: Path,
) -> None:
    stack = Trial(tmp_path, {}).stacks[0]
    image = replacement.checked_image("ami-0123456789abcdef0", session_of(tmp_path, {}), [])
    kind = replacement.checked_type("t3.large")
    replacement.ask_for(stack, ["aws_instance.Machine_1"], image=image, instance_type=kind)
    found = stack.document()["resource"]
    assert found["aws_instance"]["Machine_1"] == {
        **RESOURCES["aws_instance"]["Machine_1"],
        "ami": "ami-0123456789abcdef0",
        "instance_type": "t3.large",
    }
    assert found["aws_key_pair"] == RESOURCES["aws_key_pair"]


def test_a_type_that_the_settings_do_not_say_is_told(tmp_path: Path) -> None:
    session = session_of(tmp_path, {})
    assert replacement.told_of_type(session, "t3.large", ["manager-1"]) == (
        f"{session.environment.settings_file}: instance_type still says t3.small: write t3.large "
        "there, or the next `ENVIRONMENT=production make up` changes it back"
    )
    assert replacement.told_of_type(session, "t3.small", ["manager-1"]) == ""
    assert replacement.told_of_type(session, None, ["manager-1"]) == ""
