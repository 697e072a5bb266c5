"""A settings file of its own for each test, loaded or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from constructs_lib.settings.load import SettingsError, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from settings_files import Load, Problems

    from constructs_lib.settings.settings import Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trial.yaml"


@pytest.fixture
def load(file: Path) -> Load:
    """Write something as YAML, or as the text that it is, and load it."""

    def write_and_load(content: object) -> Settings:
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        file.write_text(text, encoding="utf-8")
        return load_settings(file)

    return write_and_load


@pytest.fixture
def problems(file: Path, load: Load) -> Problems:
    """Load something that must be refused, and return the problems without the file's name."""

    def refused(content: object) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(content)
        assert str(caught.value) == "\n".join(caught.value.problems)
        found = []
        for problem in caught.value.problems:
            name, colon, rest = problem.partition(": ")
            assert (name, colon) == (str(file), ": ")
            found.append(rest)
        return found

    return refused


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("garbage")
