"""The linter of imports: it passes as things are, and catches what goes the wrong way."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("constructs_lib", "moor", "sandbox", "setup", "stacks")


def lint(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_all_imports_go_the_right_way() -> None:
    status, text = lint(ROOT)
    assert status == 0, text


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("constructs_lib/files/lock.py", "import stacks", "Imports go downwards in the house"),
        ("constructs_lib/identity/pki.py", "import cdktf", "Modules of plain values"),
        (
            "constructs_lib/docker/network.py",
            "import constructs_lib.compose.model",
            "The Docker wing knows no Compose",
        ),
        (
            "sandbox/machines/machine_image/cloud_config.py",
            "import constructs_lib.host.cloud_config",
            "The sandbox's reader of user data shares nothing with the writer",
        ),
        ("setup/step.py", "import yaml", "Set-up stands alone"),
    ],
)
def test_a_forbidden_import_is_caught(house: Path, module: str, line: str, contract: str) -> None:
    file = house / module
    text = file.read_text(encoding="utf-8")
    future = "from __future__ import annotations\n"
    assert future in text
    file.write_text(text.replace(future, f"{future}\n{line}\n", 1), encoding="utf-8")
    status, said = lint(house)
    assert status == 1
    broken = [row for row in said.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), said
