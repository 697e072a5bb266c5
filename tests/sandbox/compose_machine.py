"""Compose files on one machine, deployed by this project and by Compose, and looked at."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compose_snapshots import plain_container, plain_network, plain_volume

from constructs_lib.compose import ended
from constructs_lib.compose.plugin import find_compose
from constructs_lib.compose.reader import load_project
from moor import health
from moor.outputs import Outputs
from moor.toolchain.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import DockerClient

    from constructs_lib.settings.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
SYNTH = Path(__file__).with_name("compose_app.py")
PATIENCE_SECONDS = 300
SECRETS: Mapping[str, str] = {
    "SESSION_KEY": "the session's key",
    "BATCH_PLAN": "first this, then that",
    "DB_PASSWORD": "the database's password",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeMachine:
    """A machine, and a folder that Terraform works in.

    Attributes:
        environment: Whose machine it is.
        docker_host: Its Docker API.
        registry: The sandbox's registry.
        client: Its engine.
        folder: A folder of the test's own.
        secrets: What files use as variables.
    """

    environment: Environment
    docker_host: str
    registry: str
    client: DockerClient
    folder: Path
    secrets: Mapping[str, str] = field(default_factory=lambda: SECRETS)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of every command."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            "DOCKER_HOST": self.docker_host,
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(self.environment.certificates),
            # Compose's builds would otherwise leave their state in the home folder.
            "BUILDX_CONFIG": str(self.environment.directory / "buildx"),
            "REGISTRY": self.registry,
            **self.secrets,
        }

    @property
    def ssh(self) -> list[str]:
        """The command that runs another one on the machine."""
        key = self.environment.ssh / "id_ed25519"
        address = Outputs.load(self.environment).public_ip
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-i", str(key), "-p", "2222", *words, f"core@{address}"]

    def synth(self, file: Path, project: str, *more: Path) -> Path:
        """Write the Terraform configuration of Compose files. Returns its folder."""
        out = self.folder / "out"
        files = os.pathsep.join(map(str, (file, *more)))
        self._run(
            [sys.executable, str(SYNTH), files, project, str(out), str(self.folder / "vault")],
            cwd=ROOT,
        )
        return out / "stacks" / "docker"

    def keep_ended(self, file: Path, project: str, *more: Path) -> None:
        """Write down which containers have done their work, as `moor up` does at its end."""
        services = load_project([file, *more], name=project, environment=self.variables)
        expected = health.expectations(services, {})
        mine: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={project}"}
        containers = self.client.containers.list(all=True, filters=mine)
        found = {str(c.name): health.found_in(c.attrs, {}) for c in containers}
        rows = [health.judge(one, found.get(one.name)) for one in expected]
        names = [one.name for one in expected]
        ended.keep(self.folder / "ended.json", health.ended(rows), of=names, is_all=True)

    def terraform(self, *words: str, expect: int = 0) -> str:
        """Run Terraform where `synth` has written."""
        stack = self.folder / "out" / "stacks" / "docker"
        toolchain = Toolchain.load()
        return self._run(
            [str(toolchain.terraform), *words], cwd=stack, expect=expect, terraform=toolchain
        )

    def apply(self, file: Path, project: str, *more: Path) -> str:
        """Deploy Compose files with this project's constructs."""
        self.synth(file, project, *more)
        self.terraform("init", "-input=false", "-no-color")
        return self.terraform("apply", "-auto-approve", "-input=false", "-no-color")

    def plan(self, file: Path, project: str, *more: Path) -> dict[str, list[str]]:
        """Return what would be done, by resource; nothing where nothing would."""
        self.synth(file, project, *more)
        self.terraform("plan", "-input=false", "-no-color", "-out=plan")
        document = json.loads(self.terraform("show", "-json", "plan"))
        return {
            change["address"]: change["change"]["actions"]
            for change in document.get("resource_changes", [])
            if change["change"]["actions"] not in (["no-op"], ["read"])
        }

    def compose(self, file: Path, project: str, *words: str, override: Path | None = None) -> str:
        """Run `docker compose` on the machine."""
        files = ["--file", str(file), *(() if override is None else ("--file", str(override)))]
        return self._run(
            [*find_compose(), "--project-name", project, *files, *words],
            cwd=file.parent,
        )

    def _run(
        self,
        command: list[str],
        *,
        cwd: Path,
        expect: int = 0,
        terraform: Toolchain | None = None,
    ) -> str:
        variables = self.variables
        if terraform is not None:
            variables = {**variables, **terraform.variables(self.environment)}
            variables |= {k: self.variables[k] for k in self.variables if k.startswith("DOCKER_")}
        done = subprocess.run(
            command,
            cwd=cwd,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == expect, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout if expect == 0 else done.stdout + done.stderr

    def put(self, folder: Path) -> None:
        """Copy a folder of this computer to the same path of the machine."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            archive.add(folder, str(folder).lstrip("/"))
        subprocess.run(
            [*self.ssh, "sudo tar -x -C /"], input=data.getvalue(), check=True, capture_output=True
        )

    def snapshot(self, project: str) -> dict[str, Any]:
        """Return what the engine says of a project's containers, networks and volumes."""
        mine: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={project}"}
        return {
            "containers": {
                str(c.name): plain_container(c)
                for c in self.client.containers.list(all=True, filters=mine)
            },
            "networks": {
                str(n.name): plain_network(self.client.api.inspect_network(str(n.id)))
                for n in self.client.networks.list(filters=mine)
            },
            "volumes": {
                str(v.name): plain_volume(v.attrs) for v in self.client.volumes.list(filters=mine)
            },
        }

    def names(self, project: str) -> dict[str, str]:
        """Return the names of a project's containers, by their ids."""
        mine: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={project}"}
        found = self.client.containers.list(all=True, filters=mine)
        return {str(c.id): str(c.name) for c in found}

    def contents(self, paths: list[tuple[str, str]]) -> dict[str, tuple[str, str, int]]:
        """Return content, permissions and owner of files in containers."""
        found = {}
        for name, path in paths:
            chunks, _ = self.client.containers.get(name).get_archive(path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                member = archive.getmembers()[0]
                file = archive.extractfile(member)
                text = "" if file is None else file.read().decode()
            found[f"{name}:{path}"] = (text, f"{member.mode & 0o7777:04o}", member.uid)
        return found

    def remove(self, project: str) -> None:
        """Remove all that is left of a project, in whatever way it came."""
        mine: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={project}"}
        for container in self.client.containers.list(all=True, filters=mine):
            container.remove(force=True, v=True)
        for network in self.client.networks.list(filters=mine):
            network.remove()
        for volume in self.client.volumes.list(filters=mine):
            volume.remove(force=True)
        for volume in self.client.volumes.list(filters={"label": "moor.copy-of"}):
            volume.remove(force=True)
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        (self.folder / "ended.json").unlink(missing_ok=True)
        for state in self.folder.glob("*.tfstate*"):
            state.unlink()
