"""A stack that needs two providers, and a folder that real Terraform takes them from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from moor.failure import CommandError
from moor.toolchain import provider_lock, terraform_init
from moor.toolchain.provider_lock import LockError
from moor.toolchain.stack import Stack
from moor.toolchain.terraform_cli import Terraform
from moor.toolchain.toolchain import Toolchain
from setup.docker_provider import package_hash
from setup.provider_mirror import platform_name

WRAPPER: Final = Path(terraform_init.__file__).with_name("terraform")
HOST: Final = "registry.terraform.io"
THING: Final = f"{HOST}/acme/thing"
BUILT: Final = f"{HOST}/acme/built"


class Place:
    """A stack that needs two providers, and the folder that they come from."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.mirror = folder / "mirror"
        self.kept = folder / "environment" / "providers" / "aws.lock.hcl"
        self.record = folder / "built.json"
        self.put("thing", "1.0.0", "first")
        self.put("built", "1.0.0", "built by Go 1.25")
        self.built(go="1.25.8", sums="a" * 64)
        configuration = folder / "terraform.rc"
        configuration.write_text(
            "disable_checkpoint = true\nprovider_installation {\n"
            f'  filesystem_mirror {{\n    path = "{self.mirror}"\n  }}\n}}\n',
            encoding="utf-8",
        )
        self.program = Toolchain.load().terraform
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TF_CLI_CONFIG_FILE": str(configuration),
            "CHECKPOINT_DISABLE": "1",
            "MOOR_TERRAFORM": str(self.program),
            "MOOR_PYTHON": sys.executable,
            "MOOR_LOCKS": str(self.kept.parent),
            "MOOR_BUILT": str(self.record),
        }
        self.checkout("first")

    def put(self, name: str, version: str, content: str) -> None:
        """Put a provider into the folder; to install one does not start it."""
        binary = self.package(name, version) / f"terraform-provider-{name}_v{version}"
        binary.parent.mkdir(parents=True, exist_ok=True)
        binary.write_text(content, encoding="utf-8")
        binary.chmod(0o755)

    def package(self, name: str, version: str) -> Path:
        """Return where a provider is."""
        return self.mirror / HOST / "acme" / name / version / platform_name()

    def built(self, *, go: str, sums: str) -> None:
        """Record, as set-up does, what a provider was built from."""
        checksum = package_hash(self.package("built", "1.0.0"))
        record = {"source": "acme/built", "go": go, "sums": sums, "checksum": checksum}
        self.record.write_text(json.dumps(record), encoding="utf-8")

    def checkout(self, name: str) -> None:
        """Synthesize in another checkout, with nothing of Terraform's in it."""
        self.stack = Stack(name="aws", folder=self.root / name / "stacks" / "aws")
        self.stack.folder.mkdir(parents=True, exist_ok=True)
        self.configure(">= 1.0.0, < 3.0.0")

    def configure(self, constraint: str) -> None:
        """Write the configuration."""
        required = {
            name: {"source": f"acme/{name}", "version": constraint} for name in ("thing", "built")
        }
        document = {
            "terraform": {
                "required_providers": required,
                "backend": {"local": {"path": str(self.root / "state")}},
            }
        }
        text = json.dumps(document)
        (self.stack.folder / "cdk.tf.json").write_text(text, encoding="utf-8")

    def init(self) -> None:
        """Initialize as `moor` does."""
        Terraform(program=self.program, variables=self.variables, log=self.root / "log").init(
            self.stack
        )

    def by_hand(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script that cdktf takes for Terraform."""
        return subprocess.run(
            [WRAPPER, *words],
            cwd=self.stack.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def locked(self) -> dict[str, provider_lock.Provider]:
        """Return what is kept."""
        return provider_lock.read(self.kept)

    def refused(self) -> str:
        """Initialize, which must fail, both ways; return what `moor` says."""
        with pytest.raises((CommandError, LockError)) as caught:
            self.init()
        done = self.by_hand("init", "-input=false")
        assert done.returncode == 1, done.stdout
        assert "Error: " in done.stderr
        return str(caught.value)
