"""Writes docs/hosted.md: `PYTHONPATH=. python tests/hosted_page.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hosted import RESULTS, hosted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hosted import Hosted

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "hosted.md"

_HEAD: Final = """# Files as projects publish them

<!-- `PYTHONPATH=. python tests/hosted_page.py` writes what `make test-compose` has seen. -->

These Compose files are written for the tests, in the manner of the projects that people host;
they lie in `tests/compose_corpus/hosted`. Each is deployed to a machine of the sandbox, with small
stand-ins for its images: every container is seen running, healthy, or ended well; a second plan is
empty; it is removed again; and `docker compose up` of the same file is compared with it. The
seconds are those of the deployment.

"""


def page(apps: Sequence[Hosted], seen: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page.

    Args:
        apps: The files.
        seen: What was seen of them, by name.
    """
    rows = [(app, *_outcome(app, seen.get(app.name))) for app in apps]
    good = sum(outcome == "deployed" for _, outcome, *_ in rows)
    same = sum(seen.get(app.name, {}).get("compose") == "the same" for app in apps)
    refused = sum(bool(app.refused) for app in apps)
    summary = (
        f"Of {len(apps)} files {good} deploy as they mean to, and {same} are what Compose makes of "
        f"them; refused, and rightly: {refused}."
    )
    lines = [
        summary,
        "",
        "| file | services | what it has | | Compose | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {app.name.replace('_', ' ')} | {app.services} | {app.shows} | {outcome} "
        f"| {compose} | {seconds} |"
        for app, outcome, compose, seconds in rows
    ]
    return _HEAD + "\n".join(lines) + "\n"


def _outcome(app: Hosted, seen: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if app.refused:
        return f"refused: {app.refused}", "", ""
    if app.sandbox_cannot:
        return f"not in the sandbox: {app.sandbox_cannot}", "", ""
    if seen is None:
        return "not tried", "", ""
    failed = seen["failed"]
    if failed:
        return f"failed: {failed}", seen["compose"], ""
    return "deployed", seen["compose"], f"{seen['seconds']:.0f}"


if __name__ == "__main__":
    recorded = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(page(hosted(), recorded), encoding="utf-8")
