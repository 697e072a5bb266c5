"""Writes docs/operations.md: `python -m benchmarks.operations`, which takes some minutes.

It runs in a terminal of tmux, since that is where a person reads what is printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.text import Text

from benchmarks.operations.page import page
from benchmarks.operations.steps import PARTS, Step
from benchmarks.operations.transcript import normalised
from benchmarks.screens import screen
from moor.toolchain.toolchain import ROOT

PAGE: Final = ROOT / "docs" / "operations.md"
_SETTINGS: Final = Path(__file__).with_name("shop.yaml")
_COLUMNS: Final = 98


def main() -> None:
    """Run each command, and write the page."""
    if shutil.which("tmux") is None:
        sys.exit("tmux: must be installed for this page, got nothing of that name")
    steps = [step for part in PARTS for step in part.steps]
    with tempfile.TemporaryDirectory(prefix="moor-operations-") as name:
        folder = Path(name).resolve()
        (folder / "environments").mkdir()
        shutil.copy(_SETTINGS, folder / "environments")
        shutil.copytree(ROOT / "services", folder / "services")
        os.environ["ENVIRONMENT"] = f"environments/{_SETTINGS.name}"
        os.environ["PYTHONPATH"] = str(ROOT)
        try:
            printed = [_run(step, folder) for step in steps]
        except RuntimeError as error:
            subprocess.run(["bash", "-c", "moor down"], cwd=folder, check=False)
            sys.exit(str(error))
    PAGE.write_text(page(PARTS, printed), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")


def _run(step: Step, folder: Path) -> str:
    """Run a command, and return what it printed.

    Raises:
        RuntimeError: It ended otherwise than it should; with what it printed.
    """
    status = folder / "status"
    status.unlink(missing_ok=True)
    script = f"( {step.command}\n); echo $? > {status}"
    drawn = screen(["bash", "-c", script], columns=_COLUMNS, folder=folder, joined=True)
    shown = Text.from_ansi(drawn).plain
    text = normalised(shown, {f"{folder}/": "", str(folder): ".", f"{ROOT}/": "", str(ROOT): "."})
    sys.stdout.write(f"$ {step.command}\n{text}\n\n")
    sys.stdout.flush()
    ended = status.read_text(encoding="utf-8").strip() if status.is_file() else "nothing"
    if ended != str(step.status):
        msg = f"{step.command}: must end with status {step.status}, got {ended}:\n{text}"
        raise RuntimeError(msg)
    return text


if __name__ == "__main__":
    main()
