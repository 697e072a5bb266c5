"""Terraform's CLI configuration."""

from __future__ import annotations

from pathlib import Path

from setup.cli_configuration import cli_configuration


def test_paths_are_quoted() -> None:
    text = cli_configuration([(Path('/a "b"/${c}/%{d}\\e'), ["x/y/z"])])

    assert '    path    = "/a \\"b\\"/$${c}/%%{d}\\\\e"\n' in text
