"""A deployment of a module's own: made once for all of its tests, and nothing of it is left."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from test_deploy import ROOT, Deployment
from trial_sandbox import left_of

from constructs_lib.settings.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def deployed_once(folder: Path, name: str, *, settings: str, services: str) -> Iterator[Deployment]:
    """Deploy an environment; its sandbox goes at the end, and with it all data.

    Args:
        folder: Where its settings are written.
        name: The environment's name.
        settings: Its settings file, which names `compose.yaml`.
        services: That Compose file.
    """
    file = folder / f"{name}.yaml"
    file.write_text(settings, encoding="utf-8")
    file.with_name("compose.yaml").write_text(services, encoding="utf-8")
    environment = Environment(name=name, settings_file=file, root=ROOT)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    made = Deployment(environment=environment, variables={**variables, "ENVIRONMENT": str(file)})
    made.sandbox().stop()
    shutil.rmtree(environment.directory, ignore_errors=True)
    made.up()
    yield made
    done = made.run("down")
    made.sandbox().stop()
    assert left_of(made.sandbox()) == []
    shutil.rmtree(environment.directory)
    shutil.rmtree(environment.output)
    assert done.returncode == 0, done.stdout + done.stderr
