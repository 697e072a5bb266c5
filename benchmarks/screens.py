"""Pictures of what a person sees: a command run in a real terminal, and its screen as SVG.

`python -m benchmarks.screens NAME COMMAND...` runs the command in tmux, waits for its end, and
writes `docs/pictures/NAME.svg`. tmux is the terminal, since it knows what moving the cursor means.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from moor.toolchain.toolchain import ROOT

COLUMNS: Final = 108
_ROWS: Final = 400
_PROMPT: Final = "$ "
_COUNTER: Final = itertools.count()


def main() -> None:
    """Draw one screen."""
    if len(sys.argv) < 3 or shutil.which("tmux") is None:  # noqa: PLR2004  (a name and a command)
        sys.exit("usage: python -m benchmarks.screens NAME COMMAND...  (tmux must be installed)")
    name, *words = sys.argv[1:]
    target = ROOT / "docs" / "pictures" / f"{name}.svg"
    target.write_text(svg(shlex.join(words), screen(words)), encoding="utf-8")
    sys.stdout.write(f"wrote {target.relative_to(ROOT)}\n")


def screen(
    words: list[str], *, columns: int = COLUMNS, folder: Path = ROOT, joined: bool = False
) -> str:
    """Run a command in a terminal, and return what is on the screen at its end, with colours.

    Args:
        words: The command.
        columns: The terminal's width.
        folder: Where it runs.
        joined: Whether a line that the terminal has wrapped is one line.
    """
    # One after the other by the same name could meet the former's end.
    server = f"moor-screens-{os.getpid()}-{next(_COUNTER)}"
    tmux = ["tmux", "-L", server]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    begin = [*tmux, "-f", "/dev/null", "new-session", "-d", "-s", "screen"]
    size = ["-x", str(columns), "-y", str(_ROWS)]
    # The pane stays after the command's end, so that it can be read.
    command = f"{shlex.join(words)}; tmux -L {server} wait-for -S ended; sleep 60"
    variables = {**os.environ, "PATH": path, "TERM": "screen-256color"}
    subprocess.run([*begin, *size, command], cwd=folder, env=variables, check=True)
    try:
        subprocess.run([*tmux, "wait-for", "ended"], check=True)
        time.sleep(0.2)  # tmux draws what came last
        read = [*tmux, "capture-pane", "-e", "-p", "-t", "screen", *(["-J"] if joined else [])]
        done = subprocess.run(read, capture_output=True, text=True, check=True)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    return done.stdout.rstrip()


def svg(title: str, text: str) -> str:
    """Return a screen as SVG, without fonts from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(_PROMPT, style="dim") + Text(title, style="bold"))
    console.print(Text.from_ansi(text))
    picture = console.export_svg(title=title)
    return re.sub(r"@font-face \{[^}]*\}\s*", "", picture)


if __name__ == "__main__":
    main()
