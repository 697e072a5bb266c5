"""How synthesis and a plan grow with a swarm: on paper, since that takes no hundred machines.

The second stack is planned from nothing. Such a plan asks no manager; what it reads of the first
stack is a state that is written here.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from benchmarks.measure import Sample, run
from constructs_lib.settings.environment import Environment
from moor.toolchain.stack import load_stacks
from moor.toolchain.toolchain import ROOT, Toolchain

if TYPE_CHECKING:
    from moor.toolchain.stack import Stack

SIZES: Final = ((5, 50), (5, 100), (5, 200), (50, 100), (100, 200))
"""Nodes, of which three are managers, and services."""

_NAME: Final = "swarm-growth"
"""What the environment is called whose folder is made and removed again."""

_MANAGERS: Final = 3
_IMAGE: Final = f"docker.io/library/busybox@sha256:{'0' * 64}"
"""By its digest, so that no registry is asked."""

_OUTPUT: Final = re.compile(r"outputs\.([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What was measured of one size.

    Attributes:
        nodes: How many nodes.
        services: How many services.
        synthesis: Of both stacks.
        plan: Of the second stack, from nothing.
    """

    nodes: int
    services: int
    synthesis: Sample
    plan: Sample


def growth(folder: Path, nodes: int, services: int) -> Growth:
    """Measure one size.

    Args:
        folder: A scratch folder.
        nodes: How many nodes; more than three.
        services: How many services.

    Raises:
        RuntimeError: A command fails.
    """
    settings = _settings(folder, nodes, services)
    environment = Environment(name=settings.stem, settings_file=settings, root=ROOT)
    toolchain = Toolchain.load()
    variables = toolchain.variables(environment) | {"ENVIRONMENT": str(settings)}
    try:
        output = folder / "out"
        synthesis = run(
            [sys.executable, "-O", str(ROOT / "main.py")],
            folder=ROOT,
            variables=variables | {"CDKTF_OUTDIR": str(output)},
        )
        stack = load_stacks(output)[-1]
        _write_state(stack)
        terraform = [str(toolchain.terraform)]
        run([*terraform, "init", "-input=false"], folder=stack.folder, variables=variables)
        plan = run([*terraform, "plan", "-input=false"], folder=stack.folder, variables=variables)
    finally:
        # The state of no machine.
        shutil.rmtree(environment.directory, ignore_errors=True)
    return Growth(nodes=nodes, services=services, synthesis=synthesis, plan=plan)


def table(found: list[Growth]) -> list[str]:
    """Return the figures as lines of Markdown."""
    figures = ("s", "of processor", "MiB")
    columns = ["nodes", "services"]
    columns += [f"{what} {figure}" for what in ("synthesis", "plan") for figure in figures]
    return [
        f"| {' | '.join(columns)} |",
        f"|{' ---: |' * len(columns)}",
        *(
            f"| {one.nodes} | {one.services} | {_cells(one.synthesis)} | {_cells(one.plan)} |"
            for one in found
        ),
    ]


def _cells(sample: Sample) -> str:
    return f"{sample.wall:.1f} | {sample.cpu:.1f} | {sample.memory:.0f}"


def _settings(folder: Path, nodes: int, services: int) -> Path:
    file = ROOT / "environments" / "swarm.yaml"
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["services"] = str(folder / "compose.yaml")
    document["aws"]["machines"]["workers"]["web"]["count"] = nodes - _MANAGERS
    del document["registry"]
    compose = {
        f"service-{number:03}": {
            "image": _IMAGE,
            "command": ["sleep", "86400"],
            "environment": {"NUMBER": str(number)},
            "networks": ["back"],
            "deploy": {"replicas": 2},
        }
        for number in range(services)
    }
    (folder / "compose.yaml").write_text(
        yaml.safe_dump({"services": compose, "networks": {"back": {}}}), encoding="utf-8"
    )
    settings = folder / f"{_NAME}.yaml"
    settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    return settings


def _write_state(stack: Stack) -> None:
    """Write the state of the first stack: each output that the second one reads has an address."""
    document = stack.document()
    names = sorted(set(_OUTPUT.findall(json.dumps(document))))
    state = {
        "version": 4,
        "terraform_version": "1.0.0",
        "serial": 1,
        "lineage": "growth",
        "outputs": {name: {"value": "192.0.2.1", "type": "string"} for name in names},
        "resources": [],
    }
    for body in document["data"]["terraform_remote_state"].values():
        file = Path(body["config"]["path"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(state), encoding="utf-8")
