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
        folder = Path(name).resolve() / "moor"
        _copy(folder)
        os.environ["ENVIRONMENT"] = _SETTINGS.stem
        os.environ["DOCKER_CONFIG"] = str(folder.with_name("docker"))
        program = folder / ".venv" / "bin"
        end = [str(program / "moor"), "down", "--approve"]
        # What a run before has left: the page begins with nothing.
        subprocess.run(end, cwd=folder, check=True)
        try:
            ended = [_run(step, folder, program) for step in steps]
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


def _copy(folder: Path) -> None:
    """Copy the project without what is deployed from here: the page shows no environment of it."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    shutil.copy(_SETTINGS, folder / "environments")
    installed, program = Path(sys.prefix), folder / ".venv" / "bin"
    program.mkdir(parents=True)
    (folder / ".tools").symlink_to((ROOT / ".tools").resolve())
    for file in (installed / "pyvenv.cfg", installed / "lib"):
        (program.parent / file.name).symlink_to(file)
    for file in (installed / "bin").iterdir():
        (program / file.name).symlink_to(file)
    # It runs what is beside it.
    (program / "moor").unlink()
    shutil.copy(installed / "bin" / "moor", program)


def _run(step: Step, folder: Path, program: Path) -> Ended:
    """Run a command, and return what became of it."""
    status = folder.with_name("status")
    status.unlink(missing_ok=True)
    script = f"PATH={program}:$PATH; ( {step.command}\n); echo $? > {status}"
    drawn = screen(["bash", "-c", script], columns=_COLUMNS, folder=folder, joined=True)
    shown = Text.from_ansi(drawn).plain
    places = {f"{folder}/": "", str(folder): ".", f"{ROOT}/": "", str(ROOT): "."}
    text = normalised(shown, {**places, f"{folder.parent}/docker": "~/.docker"})
    sys.stdout.write(f"$ {step.command}\n{text}\n\n")
    sys.stdout.flush()
    return Ended(text, int(status.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
