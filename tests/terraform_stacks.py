"""Two small stacks of Terraform's own resources: real Terraform, and no provider to wait for."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from io import StringIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from constructs_lib.settings.environment import Environment
from moor.deployment import Deployment
from moor.screen import Screen
from moor.session import Session
from moor.toolchain.stack import load_stacks
from moor.toolchain.toolchain import Toolchain

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(kw_only=True)
class Trial:
    """An environment in a scratch folder whose stacks a test writes.

    Attributes:
        environment: The environment.
        sandbox: Whether it counts as one: nobody is asked.
        text: All that was printed.
    """

    environment: Environment
    sandbox: bool = True
    text: StringIO = field(default_factory=StringIO)

    @classmethod
    def in_folder(cls, folder: Path) -> Trial:
        """Make one, with stacks that hold a value each."""
        environment = Environment(
            name="trial", settings_file=folder / "environments" / "trial.yaml", root=folder
        )
        made = cls(environment=environment)
        made.write()
        return made

    def write(
        self,
        *,
        address: str = "one",
        aws: dict[str, Any] | None = None,
        docker: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Write both stacks; the second reads the first one's address.

        Args:
            address: What the first stack tells.
            aws: More `terraform_data` resources of the first stack, by name.
            docker: The same of the second.
            outputs: More outputs of the first stack, by name.
        """
        self._write_stack(
            "aws",
            {"Address": {"input": address}, **(aws or {})},
            output={
                "public_ip": {"value": "${terraform_data.Address.output}"},
                **{name: {"value": value} for name, value in (outputs or {}).items()},
            },
        )
        remote = {"backend": "local", "config": {"path": str(self.state("aws"))}}
        self._write_stack(
            "docker",
            {
                "Container": {"input": "on ${data.terraform_remote_state.aws.outputs.public_ip}"},
                **(docker or {}),
            },
            data={"terraform_remote_state": {"aws": remote}},
        )
        stacks = {
            name: {"workingDirectory": f"stacks/{name}", "dependencies": needs}
            for name, needs in (("docker", ["aws"]), ("aws", []))
        }
        manifest = self.environment.output / "manifest.json"
        manifest.write_text(json.dumps({"stacks": stacks}), encoding="utf-8")

    def state(self, stack: str) -> Path:
        """Return the file with a stack's state."""
        return self.environment.state / f"{stack}.tfstate"

    def resources(self, stack: str) -> dict[str, Any]:
        """Return the values of a stack's resources, by name, of those that are not tainted."""
        document = json.loads(self.state(stack).read_text(encoding="utf-8"))
        return {
            resource["name"]: instance["attributes"]["input"]["value"]
            for resource in document["resources"]
            for instance in resource["instances"]
            if resource["mode"] == "managed" and instance.get("status") != "tainted"
        }

    def deployment(self, lock: int | None = None) -> Deployment:
        """Return a deployment of what is written, initialized."""
        session = Session(environment=self.environment)
        session.__dict__["settings"] = SimpleNamespace(
            project="moor",
            sandbox=SimpleNamespace() if self.sandbox else None,
            aws=SimpleNamespace(region="eu-central-1"),
        )
        console = Console(file=self.text, width=200, highlight=False)
        held = os.open(os.devnull, os.O_RDONLY) if lock is None else lock
        made = Deployment(
            session=session,
            screen=Screen(console),
            lock=held,
            stacks=load_stacks(self.environment.output),
            # These stacks are in no cloud that could be asked.
            leftovers=lambda _session, _stack, _terraform: [],
        )
        made.use(Toolchain.load().variables(self.environment))
        return made

    def up(self) -> list[str]:
        """Deploy, and return the summary of each stack."""
        return [plan.summary for plan in self.deployment().up(approve=False)]

    def _write_stack(
        self,
        name: str,
        resources: dict[str, Any],
        *,
        output: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        folder = self.environment.output / "stacks" / name
        folder.mkdir(parents=True, exist_ok=True)
        backend = {"local": {"path": str(self.state(name))}}
        document = {
            "terraform": {"backend": backend},
            "resource": {"terraform_data": resources},
            **({"output": output} if output else {}),
            **({"data": data} if data else {}),
        }
        (folder / "cdk.tf.json").write_text(json.dumps(document), encoding="utf-8")


def step(command: str, value: str = "step") -> dict[str, Any]:
    """Return a resource that runs a command on this computer when it is made."""
    return {"input": value, "provisioner": [{"local-exec": {"command": command}}]}
