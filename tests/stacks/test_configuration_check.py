"""checkov looks at the stack, and tells what is unsafe."""

from __future__ import annotations

from configuration_check import check, configurations


def test_an_unsafe_configuration_is_told() -> None:
    document = configurations()["production"]
    (machine,) = document["resource"]["aws_instance"].values()
    assert machine["metadata_options"]["http_tokens"] == "required"
    machine["metadata_options"]["http_tokens"] = "optional"
    done = check({"production": document})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "CKV_AWS_79" in done.stdout
    assert "Failed checks: 1," in done.stdout
