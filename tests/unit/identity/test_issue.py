"""The command that a deployment issues the server's certificate with."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from synthesis import ROOT

from constructs_lib.identity.issue import main
from constructs_lib.identity.pki import Pki

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ADDRESS = "203.0.113.7"


def clock() -> datetime:
    return datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def test_the_command_issues_for_the_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates", clock=clock)
    pki.ensure()
    arguments = ["--pki", str(pki.pki_dir), "--certificates", str(pki.certificates_dir)]
    assert main([*arguments, "--address", ADDRESS], clock=clock) == 0
    assert capsys.readouterr().out == (
        f"server certificate for {ADDRESS}: {tmp_path}/pki/server.pem, valid until 2027-03-04\n"
    )
    assert main([*arguments, "--address", "${aws_eip.ip}"], clock=clock) == 1
    assert capsys.readouterr().err == (
        "certificate name: must be an IP address or a DNS name, got '${aws_eip.ip}'; "
        "international names are given in their xn-- form\n"
    )


def test_the_command_as_terraform_calls_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "constructs_lib.identity.issue", "--pki", tmp_path / "pki",
         "--certificates", tmp_path / "certificates", "--address", ADDRESS],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        f"{tmp_path}/pki/server-request.json: must exist, got no such file; "
        "synthesise first, which makes it\n"
    )
