"""Addresses of resources."""

from __future__ import annotations

from cdktf import TerraformResource
from constructs import Construct
from synthesis import new_stack

from constructs_lib.terraform.addresses import logical_id


def test_a_place_has_the_name_that_cdktf_gives_it() -> None:
    for path in (
        ("Compose", "Services", "a.b", "Image", "Resource"),
        ("Compose", "Services", "web", "web", "Resource"),
        ("Compose", "x" * 300, "y", "Tag"),
    ):
        stack = new_stack()
        scope: Construct = stack
        for part in path[:-1]:
            scope = Construct(scope, part)
        resource = TerraformResource(scope, path[-1], terraform_resource_type="terraform_data")
        assert logical_id(path) == resource.friendly_unique_id
