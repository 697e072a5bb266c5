"""Terraform's CLI configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from setup.cli_configuration import cli_configuration, read_user_configurations
from setup.errors import SetupError


def refuse(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """Refuse to read one file, as to a plain user; root may read all."""
    real = Path.read_text

    def read_text(self: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if self == file:
            raise PermissionError(13, "Permission denied", str(file))
        return real(self, encoding, errors)

    monkeypatch.setattr(Path, "read_text", read_text)


def test_the_users_files_are_read(home: Path) -> None:
    (home / ".terraformrc").write_text("a")
    (home / ".tofurc").write_text("b")
    other = home / "other.rc"
    other.write_text("c")
    variables = {"HOME": str(home)}

    assert read_user_configurations(variables) == {
        home / ".tofurc": "b",
        home / ".terraformrc": "a",
    }
    assert read_user_configurations({**variables, "TF_CLI_CONFIG_FILE": str(other)}) == {other: "c"}


@pytest.mark.parametrize("name", ["/no/such/file", "/dev/null/file"])
def test_a_missing_one_is_no_error(home: Path, name: str) -> None:
    variables = {"HOME": str(home), "TF_CLI_CONFIG_FILE": name}

    assert read_user_configurations(variables) == {}


def test_it_fails_when_the_named_one_may_not_be_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "terraform.rc"
    file.touch()
    refuse(monkeypatch, file)
    with pytest.raises(SetupError) as caught:
        read_user_configurations({"HOME": str(home), "TF_CLI_CONFIG_FILE": str(file)})

    assert str(caught.value) == (
        f"TF_CLI_CONFIG_FILE: {file}: must be a file that this user may read, got permission "
        "denied; let this user read it, or unset TF_CLI_CONFIG_FILE"
    )


def test_it_fails_when_the_named_one_is_a_folder(home: Path) -> None:
    with pytest.raises(SetupError, match="this user may read, got is a directory; let"):
        read_user_configurations({"HOME": str(home), "TF_CLI_CONFIG_FILE": str(home)})


def test_it_fails_when_the_usual_one_may_not_be_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / ".terraformrc"
    file.touch()
    refuse(monkeypatch, file)
    with pytest.raises(SetupError) as caught:
        read_user_configurations({"HOME": str(home)})

    assert str(caught.value) == (
        f"{file}: must be a file that this user may read, got permission denied; let this user "
        "read it, or move it away"
    )


def test_paths_are_quoted() -> None:
    text = cli_configuration([(Path('/a "b"/${c}/%{d}\\e'), ["x/y/z"])])

    assert '    path    = "/a \\"b\\"/$${c}/%%{d}\\\\e"\n' in text
