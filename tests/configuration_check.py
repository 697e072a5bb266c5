"""checkov over the configuration that the app writes, as `make check` runs it.

It looks at the golden files of the AWS stack, one configuration for each of several settings, which
the stack's test compares with what the app synthesizes: it cannot be out of date.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).resolve().parents[1]
GOLDEN: Final = ROOT / "tests" / "stacks" / "golden"
CHECKOV: Final = ROOT / ".tools" / "checkov" / "bin" / "checkov"


def configurations() -> dict[str, Any]:
    """Return the configurations, by the name of their settings, as Terraform's JSON."""
    found: dict[str, Any] = {}
    for name in ("aws.json", "aws_swarm.json"):
        found |= json.loads((GOLDEN / name).read_text(encoding="utf-8"))
    return found


def check(given: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """Let checkov look through configurations.

    Args:
        given: Their names, and Terraform's JSON.

    Returns:
        Its end: status 1, and what it has found on standard output, where something is unsafe.
    """
    with tempfile.TemporaryDirectory(prefix="moor-checkov-") as folder:
        for name, document in given.items():
            # It knows such a file by its name only.
            file = Path(folder) / name / "cdk.tf.json"
            file.parent.mkdir()
            file.write_text(json.dumps(document, indent=2), encoding="utf-8")
        return subprocess.run(
            [CHECKOV, "--config-file", ROOT / ".checkov.yaml", "--directory", folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


def main() -> int:
    """Run it, and return its status."""
    found = configurations()
    done = check(found)
    sys.stdout.write(done.stdout)
    if done.returncode:
        sys.stderr.write(done.stderr)
    else:
        names = ", ".join(found)
        sys.stdout.write(f"checkov: nothing unsafe in the AWS stack of {names}\n")
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
