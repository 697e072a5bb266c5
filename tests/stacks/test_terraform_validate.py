"""Terraform itself, with the real providers' schemas, accepts what is synthesized."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from project_stacks import (
    PROJECT,
    SETTINGS,
    SWARM,
    environment_of,
    fixed_identity,
    settings_of,
    synthesize,
    synthesized,
)

from constructs_lib.settings.settings import Settings
from constructs_lib.terraform.stacks import STACKS
from moor.toolchain.toolchain import Toolchain


def terraform(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    toolchain = Toolchain.load()
    return subprocess.run(
        [toolchain.terraform, *words],
        cwd=folder,
        env=toolchain.variables(environment_of("sandbox")),
        capture_output=True,
        text=True,
        check=False,
    )


def validation(folder: Path, stack: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    # It reads the key's file, which nobody has in the fixed identity's folder.
    text = json.dumps(stack).replace(str(PROJECT), str(folder))
    for key in {Path(found) for found in re.findall(r'[^" (\\]+/id_ed25519', text)}:
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_text("no key\n", encoding="utf-8")
    (folder / "cdk.tf.json").write_text(text, encoding="utf-8")
    done = terraform(folder, "init", "-backend=false", "-input=false", "-no-color")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(terraform(folder, "validate", "-json").stdout)
    return result


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_terraform_finds_nothing_wrong(tmp_path: Path, name: str, stack: str) -> None:
    assert validation(tmp_path, synthesized(name)[stack])["diagnostics"] == []


@pytest.mark.parametrize("name", ["sandbox", SWARM])
def test_terraform_finds_nothing_wrong_with_data_volumes(tmp_path: Path, name: str) -> None:
    document = settings_of(name).model_dump(mode="json", exclude_unset=True)
    document["aws"]["data_volume"] = {"size_gib": 20, "iops": 4000, "throughput": 500}
    settings, environment = Settings.model_validate(document), environment_of(name)
    stacks = synthesize(environment, settings, fixed_identity(environment, settings))
    assert validation(tmp_path, stacks["aws"])["diagnostics"] == []


@pytest.mark.parametrize("stack", STACKS)
def test_terraform_finds_nothing_wrong_with_several_machines(tmp_path: Path, stack: str) -> None:
    assert validation(tmp_path, synthesized(SWARM)[stack])["diagnostics"] == []


def test_terraform_finds_nothing_wrong_with_a_load_balancer(tmp_path: Path) -> None:
    for name, network in {
        "default": None,
        "own": {"vpc_id": "vpc-00000000", "subnets": ["subnet-0000000a", "subnet-0000000b"]},
    }.items():
        document = settings_of(SWARM).model_dump(mode="json", exclude_unset=True)
        document["aws"] |= {"load_balancer": {"ports": [80]}, "network": network}
        settings, environment = Settings.model_validate(document), environment_of(SWARM)
        stack = synthesize(environment, settings, fixed_identity(environment, settings))["aws"]
        (tmp_path / name).mkdir()
        assert validation(tmp_path / name, stack)["diagnostics"] == []


def test_terraform_finds_nothing_wrong_with_a_schedule_of_snapshots(tmp_path: Path) -> None:
    document = settings_of("production").model_dump(mode="json", exclude_unset=True)
    snapshots = {"keep": 7, "schedule": {"every_hours": 12, "at": "13:00"}}
    document["aws"] |= {"data_volume": {"size_gib": 20, "snapshots": snapshots}}
    settings, environment = Settings.model_validate(document), environment_of("production")
    stack = synthesize(environment, settings, fixed_identity(environment, settings))["aws"]
    assert len(stack["resource"]["aws_dlm_lifecycle_policy"]) == 1
    assert validation(tmp_path, stack)["diagnostics"] == []


def test_terraform_would_find_something_wrong(tmp_path: Path) -> None:
    stack = json.loads(json.dumps(synthesized("sandbox")["docker"]))
    next(iter(stack["resource"]["docker_container"].values()))["imagee"] = "nginx"
    said = [d["summary"] for d in validation(tmp_path, stack)["diagnostics"]]
    assert any("imagee" in line or "Extraneous" in line for line in said), said
