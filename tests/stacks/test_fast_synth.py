"""The app with bindings on demand, and without: the same output, and nothing loaded in vain."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest
from synthesis import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# The examples have a name that is no environment's: `production.example.yaml`.
ENVIRONMENTS: Final = sorted((ROOT / "environments").glob("*.yaml"))

IN_VAIN: Final = {"boto3", "docker", "requests", "rich", "typer"}
"""What the steps of a deployment need, or `moor`, and no synthesis."""

FEW_NEED: Final = ("dlm_lifecycle_policy", "ebs_volume", "iam_role", "lb", "lb_target_group")
"""Bindings of the AWS provider for what the sandbox's settings do not ask for."""

# `main.main` takes the folder of `main.__file__` for the project's.
APP: Final = """
import json, os, sys
import main
main.__file__ = os.environ["PROJECT"] + "/main.py"
main.main()
print(json.dumps(sorted(sys.modules)))
"""

# Each Node process adds the files of the providers that it has required.
TRACE: Final = """
process.on("exit", () => {
  const files = Object.keys(require.cache).filter((file) => file.includes("/@cdktf/provider-"));
  require("node:fs").appendFileSync(process.env.TRACE, files.map((f) => f + "\\n").join(""));
});
"""

_PROVIDER_IMPORT: Final = re.compile(
    r"^\s*from (cdktf_cdktf_provider_\w+\.\w+) import", re.MULTILINE
)
_REQUIRED: Final = re.compile(r"/@cdktf/provider-(\w+)/lib/([\w-]+)/")


def run_app(project: Path, environment: Path, **variables: str) -> tuple[set[str], set[str]]:
    """Run the app in a folder of its own.

    Returns:
        The Python modules and the JavaScript files of providers that it loaded. Of what a
        synthesis has no use for it must have loaded nothing.
    """
    project.mkdir(exist_ok=True)
    name = environment.name.split(".", maxsplit=1)[0]
    settings = project.parent / "environments" / f"{name}.yaml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_bytes(environment.read_bytes())
    services = project.parent / "services"
    if not services.exists():
        services.symlink_to(ROOT / "services")
    hook, trace = project.parent / "trace.cjs", project.parent / "trace"
    hook.write_text(TRACE, encoding="utf-8")
    trace.write_text("", encoding="utf-8")
    plain = {k: v for k, v in os.environ.items() if k not in {"CDKTF_OUTDIR", "NODE_OPTIONS"}}
    done = subprocess.run(
        [sys.executable, "-c", APP],
        cwd=ROOT,
        env=plain
        | {
            "PROJECT": str(project),
            "ENVIRONMENT": str(settings),
            "NODE_OPTIONS": f"--require {hook}",
            "TRACE": str(trace),
        }
        | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert not loaded & IN_VAIN
    modules = {name for name in loaded if name.startswith("cdktf_cdktf_provider_")}
    return modules, set(trace.read_text(encoding="utf-8").splitlines())


def run_as_cdktf_does(project: Path, settings: Path, *, umask: int = -1) -> None:
    """Run a copy of `main.py`, which takes its own folder for the project's."""
    shutil.copy(ROOT / "main.py", project)
    python, *words = shlex.split(json.loads((ROOT / "cdktf.json").read_text("utf-8"))["app"])
    assert python == ".venv/bin/python"
    plain = {k: v for k, v in os.environ.items() if k not in {"CDKTF_OUTDIR", "NODE_OPTIONS"}}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=project,
        env=plain | {"PYTHONPATH": str(ROOT), "ENVIRONMENT": str(settings)},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def output_of(project: Path) -> dict[str, bytes]:
    folder = project / "cdktf.out"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@cache
def used_modules() -> frozenset[str]:
    """The provider modules that the constructs and the stacks import."""
    sources = [*(ROOT / "constructs_lib").rglob("*.py"), *(ROOT / "stacks").glob("*.py")]
    return frozenset(
        name for file in sources for name in _PROVIDER_IMPORT.findall(file.read_text("utf-8"))
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.name)
def test_the_output_is_the_same_byte_for_byte(tmp_path: Path, environment: Path) -> None:
    project = tmp_path / "project"
    modules, files = run_app(project, environment)
    fast = output_of(project)
    assert sum(name.endswith("cdk.tf.json") for name in fast) == 2
    plain_modules, plain_files = run_app(project, environment, MOOR_PLAIN_BINDINGS="1")
    # The same keys and certificates: the second run finds those of the first.
    assert output_of(project) == fast

    # As `cdktf synth` starts it, with everything that makes it fast.
    shutil.rmtree(project / "cdktf.out")
    run_as_cdktf_does(project, tmp_path / "environments" / environment.name.replace(".example", ""))
    assert output_of(project) == fast

    # The controls: one of the two loads everything, the other one next to nothing.
    assert len(plain_modules) > 2000
    assert len(plain_files) > 2000
    assert len(modules) < 100
    assert len(files) < 100


def test_an_image_is_the_same_whoever_synthesizes(tmp_path: Path) -> None:
    """`moor` starts the app such that what it writes is private; the image is none of that."""
    project = tmp_path / "project"
    context = tmp_path / "services" / "context"
    (context / "site").mkdir(parents=True)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY site /site\n", encoding="utf-8")
    (context / "site" / "private").touch(0o600)
    compose = tmp_path / "services" / "compose.yaml"
    compose.write_text("services: {web: {build: context}}\n", encoding="utf-8")
    settings = tmp_path / "environments" / "sandbox.yaml"
    settings.parent.mkdir()
    own = (ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8")
    settings.write_text(f"{own}\nservices: {compose}\n", encoding="utf-8")
    names = set()
    for umask in (0o077, 0o022):
        shutil.rmtree(project, ignore_errors=True)
        project.mkdir()
        run_as_cdktf_does(project, settings, umask=umask)
        output = project / "cdktf.out" / "sandbox"
        document = json.loads((output / "stacks" / "docker" / "cdk.tf.json").read_text())
        (image,) = document["resource"]["docker_image"].values()
        names.add(image["name"])
        # The builder reads the folder where it is: nothing of it is copied.
        assert not list(output.rglob("site"))
        assert output.stat().st_mode & 0o777 == 0o700
    assert len(names) == 1


def test_no_module_is_loaded_that_no_construct_uses(tmp_path: Path) -> None:
    modules, files = run_app(tmp_path / "project", ROOT / "environments" / "sandbox.yaml")
    own = {name for name in modules if "_jsii" not in name and name.count(".") > 0}
    loaded = {name for name in own if name.count(".") == 1}
    assert loaded < used_modules()
    unused = {f"cdktf_cdktf_provider_aws.{name}" for name in FEW_NEED}
    assert unused < used_modules()
    assert not loaded & unused
    # On the JavaScript side a module is there when an object of its types is made.
    required = {
        f"cdktf_cdktf_provider_{found[1]}.{found[2].replace('-', '_')}"
        for file in files
        if (found := _REQUIRED.search(file))
    }
    assert required
    assert required <= used_modules()


@pytest.mark.parametrize("environment", ENVIRONMENTS[:1], ids=lambda path: path.name)
def test_an_old_node_gives_the_same_output(tmp_path: Path, environment: Path) -> None:
    project = tmp_path / "project"
    run_app(project, environment)
    fast = output_of(project)
    old = tmp_path / "old.cjs"
    old.write_text("delete require('node:module').registerHooks;", encoding="utf-8")
    options = f"--require {old} --require {tmp_path / 'trace.cjs'}"
    _, files = run_app(project, environment, NODE_OPTIONS=options)
    assert len(files) > 2000
    assert output_of(project) == fast
