"""Limits of AWS: whoever makes user data and whoever takes it have the same one."""

from __future__ import annotations

import pytest
from synthesis import new_stack

from constructs_lib.aws.limits import USER_DATA_LIMIT
from constructs_lib.aws.machine import Machine
from constructs_lib.aws.machine_image import MachineImage
from constructs_lib.aws.security_group import SecurityGroup
from constructs_lib.host.cloud_config import UserDataTooLargeError, render
from constructs_lib.host.machine_config import MachineConfig


def user_data(content: str) -> str:
    config = MachineConfig()
    config.add_file("/f", content)
    return render(config)


def test_the_largest_user_data_is_taken_by_the_machine() -> None:
    room = USER_DATA_LIMIT - len(user_data(""))
    largest = user_data("x" * room)
    stack = new_stack()
    group = SecurityGroup(stack, "G", name="g", display_name="g", description="g", ingress=[])
    Machine(
        stack,
        "Machine",
        name="host",
        image=MachineImage(id="ami-0123456789abcdef0", owner="", name="", architecture=""),
        instance_type="t3.small",
        user_data=largest,
        security_groups=[group],
        root_volume_gib=20,
        key_name="existing",
    )
    with pytest.raises(UserDataTooLargeError):
        user_data("x" * (room + 1))
