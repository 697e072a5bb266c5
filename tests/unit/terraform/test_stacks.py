"""The names of the stacks, which states and folders bear."""

from constructs_lib.terraform.stacks import AWS, DOCKER, STACKS


def test_the_names_stay_what_they_are() -> None:
    # Terraform knows nothing of a renamed stack: it would make everything anew.
    assert (AWS, DOCKER) == ("aws", "docker")


def test_the_machine_comes_before_the_services() -> None:
    assert STACKS == (AWS, DOCKER)
