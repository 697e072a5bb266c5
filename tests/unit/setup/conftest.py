"""A project's folder of its own for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from setup.project import Project
from setup.step import Context

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "pro ject"  # a blank: people have such folders
    (root / ".tools").mkdir(parents=True)
    return Project(root=root)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def context(project: Project, home: Path) -> Context:
    return Context(project=project, variables={"HOME": str(home), "PATH": "/usr/bin:/bin"})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path / "plugins"
