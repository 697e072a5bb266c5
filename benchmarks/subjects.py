"""What is measured: the app, the same app in plain cdktf, and the least that cdktf can do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import yaml

from benchmarks import report
from benchmarks.measure import Sample, run
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from constructs_lib.synthesis.fast_bindings import OFF
from constructs_lib.terraform.stacks import DOCKER, STACKS
from moor.toolchain.toolchain import ROOT, Toolchain, with_changes
from sandbox.lifecycle import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OFTEN: Final = (report.APP, report.LEAST)
"""Those of `subjects_of` that take little time."""

_APP: Final = "main.py"

_LEAST: Final = f"""\
from cdktf import App, TerraformOutput, TerraformStack
app = App(outdir="least")
for name in {STACKS!r}:
    TerraformOutput(TerraformStack(app, name), "name", value=name)
app.synth()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """Synthesis of some settings, in a scratch folder.

    Attributes:
        folder: The scratch folder.
        settings: The settings file.
    """

    folder: Path
    settings: Path

    def fast(self) -> Sample:
        """Synthesize, as `cdktf synth` starts the app."""
        return self._python(("-O", _APP))

    def plain(self) -> Sample:
        """Do the same with the bindings as they come."""
        return self._python((_APP,), {OFF: "1"})

    def least(self) -> Sample:
        """Synthesize two stacks that use no bindings at all."""
        return self._python(("-c", _LEAST))

    def _python(
        self, words: tuple[str, ...], changes: dict[str, str | None] | None = None
    ) -> Sample:
        # The app takes its own folder for the project's. A copy of it in a folder of its own
        # makes keys, certificates and output that are nobody else's.
        (self.folder / _APP).write_bytes((ROOT / _APP).read_bytes())
        environment = Environment.from_variable(self.folder, {"ENVIRONMENT": str(self.settings)})
        variables = with_changes(
            Toolchain.load().variables(environment),
            {
                "ENVIRONMENT": str(self.settings),
                "CDKTF_OUTDIR": None,
                "PYTHONPATH": str(ROOT),
                # Every run but the first finds our modules compiled, as a user's does.
                "PYTHONDONTWRITEBYTECODE": None,
                OFF: None,
                **(changes or {}),
            },
        )
        return run([sys.executable, *words], folder=self.folder, variables=variables)

    @property
    def docker_stack(self) -> Path:
        """The configuration of the Docker stack that was synthesized last."""
        variables = {"ENVIRONMENT": str(self.settings)}
        environment = Environment.from_variable(self.folder, variables)
        return environment.output / "stacks" / DOCKER / "cdk.tf.json"


def growth_settings(folder: Path, containers: int) -> Path:
    """Write settings with so many services in their Compose file.

    Args:
        folder: An empty folder.
        containers: How many.

    Returns:
        The settings file.
    """
    services = {
        f"service-{number:04}": {
            "image": "registry.example/service:1.0",
            "environment": {"NUMBER": str(number)},
            "ports": [f"127.0.0.1:{20000 + number}:80"],
        }
        for number in range(containers)
    }
    (folder / "compose.yaml").write_text(yaml.safe_dump({"services": services}), encoding="utf-8")
    document = yaml.safe_load((ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8"))
    document.pop("variables", None)
    document["services"] = str(folder / "compose.yaml")
    settings = folder / "growth.yaml"
    settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment that changes nothing, of an environment with a sandbox that is deployed.

    Attributes:
        environment: The environment.
        variables: The variables of cdktf and of Terraform.
    """

    environment: Environment
    variables: dict[str, str]

    @classmethod
    def of(cls, environment: Environment) -> Deployment | None:
        """Describe it; None where the sandbox does not run, or nothing is deployed."""
        settings = load_settings(environment.settings_file).sandbox
        if settings is None or not (environment.directory / "outputs.json").exists():
            return None
        sandbox = Sandbox(environment, settings, lambda _line: None)
        if not sandbox.status().running:
            return None
        variables = with_changes(
            Toolchain.load().variables(environment),
            {
                **sandbox.environment_variables(),
                "ENVIRONMENT": str(environment.settings_file),
                "CI": "1",
                "PYTHONDONTWRITEBYTECODE": None,
            },
        )
        return cls(environment=environment, variables=variables)

    def moor(self) -> Sample:
        """Deploy both stacks with `moor up`, until all that should run was seen to run."""
        return run([sys.executable, "-m", "moor", "up"], folder=ROOT, variables=self.variables)

    def terraform(self) -> Sample:
        """Initialize and apply each stack with Terraform itself."""
        terraform = str(Toolchain.load().terraform)
        begin, samples = time.perf_counter(), []
        for stack in STACKS:
            for words in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
                folder = self.environment.output / "stacks" / stack
                samples.append(run([terraform, *words], folder=folder, variables=self.variables))
        return Sample(
            wall=time.perf_counter() - begin,
            cpu=sum(s.cpu for s in samples),
            memory=max(s.memory for s in samples),
        )


def machine() -> dict[str, str]:
    """Describe this computer, without naming it."""
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  (no file of ours)
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    toolchain = Toolchain.load()
    node = subprocess.run([toolchain.node, "--version"], capture_output=True, text=True, check=True)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    uname = os.uname()
    return {
        "Processor": f"{os.cpu_count()} x {model or uname.machine}",
        "Memory": f"{memory:.0f} GiB",
        "System": f"{uname.sysname} {uname.release.split('-')[0]} {uname.machine}",
        "Python": sys.version.split()[0],
        "Node": node.stdout.strip().removeprefix("v"),
        "Terraform": toolchain.version or "unknown",
    }


def subjects_of(synthesis: Synthesis) -> dict[str, Callable[[], Sample]]:
    """Name what is compared."""
    return {
        report.APP: synthesis.fast,
        report.PLAIN: synthesis.plain,
        report.LEAST: synthesis.least,
    }
