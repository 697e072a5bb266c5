"""Python packages: pipenv in an environment of its own, and the project's from Pipfile.lock."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from setup import debian
from setup.errors import SetupError
from setup.step import Step, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_AWS_BINDINGS: Final = r"/cdktf_cdktf_provider_aws/(?!_jsii/)"
"""The paths of the modules of the AWS bindings, as a regular expression."""


def base_interpreter() -> Path:
    """Return the interpreter outside of any virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


class Isolated(Step):
    """A tool in an environment of its own in `.tools`, pinned with hashes.

    Its name is that of its folder, of its requirements in `setup`, and of its package.
    """

    @property
    def _python(self) -> Path:
        return self.project.tools / self.name / "bin" / "python"

    @property
    def _requirements(self) -> Path:
        return self.project.root / "setup" / f"{self.name}.txt"

    def inputs(self) -> Mapping[str, object]:
        """Return the pins, the interpreter, and the folder: environments cannot be moved."""
        return {
            "requirements": digest_of(self._requirements),
            "interpreter": str(base_interpreter()),
            "version": sys.version,
            "root": str(self.project.root),
        }

    def is_intact(self) -> bool:
        """Return whether its interpreter runs."""
        return os.access(self._python, os.X_OK)

    def run(self) -> str:
        """Make the environment anew."""
        self._require_venv()
        folder = self.project.tools / self.name
        self.doing(f"installing {self.name} for Python {sys.version.split()[0]}")
        shutil.rmtree(folder, ignore_errors=True)
        self.command(base_interpreter(), "-m", "venv", folder)
        self.command(
            self._python,
            *("-m", "pip", "install", "--no-deps", "--require-hashes", "--only-binary=:all:"),
            *("-r", self._requirements),
        )
        return f"{self.name} is installed"

    def _require_venv(self) -> None:
        if all(importlib.util.find_spec(module) for module in ("venv", "ensurepip")):
            return
        package = f"python3.{sys.version_info.minor}-venv"
        from_debian = base_interpreter().is_relative_to("/usr/bin")
        if from_debian and debian.can_install():
            debian.install(self, package)
            importlib.invalidate_caches()
            return
        remedy = (
            f"install the package {package} (apt-get install {package})"
            if from_debian and debian.is_debian()
            else "install the part of Python that has venv and ensurepip"
        )
        msg = (
            f"python: venv and ensurepip: must be there to make virtual environments, got none in "
            f"{base_interpreter()}; {remedy}, or name another interpreter, as in: "
            "make PYTHON=python3.12"
        )
        raise SetupError(msg)


class Pipenv(Isolated):
    """pipenv, which installs the packages of Pipfile.lock."""

    name = "pipenv"


class Checkov(Isolated):
    """checkov, which looks through the configuration for what is known to be unsafe."""

    name = "checkov"


class Packages(Step):
    """The packages of Pipfile.lock, in `.venv`."""

    name = "packages"
    after = ("pipenv",)

    def inputs(self) -> Mapping[str, object]:
        """Return the lock file, the interpreter, and the folder."""
        return {
            "lock": digest_of(self.project.root / "Pipfile.lock"),
            "interpreter": str(base_interpreter()),
            "version": sys.version,
            "root": str(self.project.root),
        }

    def is_intact(self) -> bool:
        """Return whether the interpreter and Node run."""
        return os.access(self.project.python, os.X_OK) and os.access(self.project.node, os.X_OK)

    def run(self) -> str:
        """Bring the environment in line with the lock file."""
        folder = self.project.virtual_environment
        if folder.exists() and (self.interrupted or not self._is_ours()):
            # A package that was installed half-way looks installed to pip.
            self.say("removing .venv: it is incomplete or for another interpreter or folder")
            shutil.rmtree(folder)
        pipenv = (self.project.pipenv_python, "-m", "pipenv")
        added = {"PIPENV_DEFAULT_PYTHON_VERSION": str(base_interpreter())}
        self.doing("installing Pipfile.lock into .venv")
        # pip compiles one file after the other: left out here and done on all processors below.
        self.command(*pipenv, "sync", "--dev", "--extra-pip-args=--no-compile", variables=added)
        self.command(*pipenv, "clean", variables=added)
        # Even where the caller has PYTHONDONTWRITEBYTECODE. The AWS bindings are two thirds of all
        # lines, and a deployment takes few of their modules: the step `warm` compiles those, and
        # the step `bindings` all of them where they are needed.
        library = folder / "lib"
        compile_all = (self.project.python, "-m", "compileall", "-q", "-j", "0")
        self.command(*compile_all, "-x", _AWS_BINDINGS, library)
        return "the packages of Pipfile.lock are installed"

    def _is_ours(self) -> bool:
        """Return whether the environment is for this interpreter and in its original place."""
        try:
            interpreter = self.project.python.resolve(strict=True)
            first = (self.project.virtual_environment / "bin" / "pip").read_text().splitlines()
        except OSError:
            return False
        return interpreter == base_interpreter() and any(
            str(self.project.python.parent) in line for line in first[:3]
        )


class Bindings(Step):
    """The AWS bindings, compiled as a whole, as plain cdktf imports them.

    Only tests and benchmarks do that, to compare with it.
    """

    name = "bindings"
    after = ("packages",)

    def inputs(self) -> Mapping[str, object]:
        """Return the lock file and the interpreter."""
        return {"lock": digest_of(self.project.root / "Pipfile.lock"), "version": sys.version}

    def is_intact(self) -> bool:
        """Return whether the first of the modules is compiled: a new environment has none."""
        return any((self.project.aws_bindings / "__pycache__").glob("*.pyc"))

    def run(self) -> str:
        """Compile them on all processors."""
        self.doing("compiling the AWS bindings")
        compile_all = (self.project.python, "-m", "compileall", "-q", "-j", "0")
        self.command(*compile_all, self.project.aws_bindings)
        return "the AWS bindings are compiled"
