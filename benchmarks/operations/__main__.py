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

from benchmarks.operations.page import Ended, page
from benchmarks.operations.steps import PARTS, Step
from benchmarks.operations.transcript import normalised
from benchmarks.screens import screen
from moor.toolchain.toolchain import ROOT

PAGE: Final = ROOT / "docs" / "operations.md"
_SETTINGS: Final = Path(__file__).with_name("shop.yaml")
_COLUMNS: Final = 118


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
        end = [sys.executable, "-m", "moor", "down", "--approve"]
        # What a run before has left: the page begins with nothing.
        subprocess.run(end, cwd=folder, check=True)
        try:
            ended = [_run(step, folder) for step in steps]
        finally:
            subprocess.run(end, cwd=folder, check=False)
    PAGE.write_text(page(PARTS, ended), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")
    wrong = [
        f"{step.command}: must end with status {step.status}, got {one.status}"
        for step, one in zip(steps, ended, strict=True)
        if step.status != one.status
    ]
    sys.exit("\n".join(wrong) or None)


def _run(step: Step, folder: Path) -> Ended:
    """Run a command, and return what became of it."""
    status = folder / "status"
    status.unlink(missing_ok=True)
    script = f"( {step.command}\n); echo $? > {status}"
    drawn = screen(["bash", "-c", script], columns=_COLUMNS, folder=folder, joined=True)
    shown = Text.from_ansi(drawn).plain
    text = normalised(shown, {f"{folder}/": "", str(folder): ".", f"{ROOT}/": "", str(ROOT): "."})
    sys.stdout.write(f"$ {step.command}\n{text}\n\n")
    sys.stdout.flush()
    return Ended(text, int(status.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
