"""Files that an earlier synthesis has left beside the configuration.

cdktf's command line clears its folder before it runs the app. An app that is run by itself writes
over what is there, and what it does not write any more would stay for ever.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER: Final = "assets"
_CONFIGURATION: Final = "cdk.tf.json"
_USED: Final = re.compile(rf"\b{_FOLDER}/([^/\"\\]+)/([^/\"\\]+)")


def remove(output: Path) -> None:
    """Remove the assets that no configuration names.

    Args:
        output: Where the app has written. Only the stacks' own folders of assets are looked at.

    Raises:
        OSError: Something cannot be removed.
    """
    for stack in sorted((output / "stacks").glob("*")):
        configuration, assets = stack / _CONFIGURATION, stack / _FOLDER
        if not configuration.is_file() or assets.is_symlink() or not assets.is_dir():
            continue
        used = set(_USED.findall(configuration.read_text(encoding="utf-8")))
        owners = {owner for owner, _ in used}
        for owner in list(assets.iterdir()):
            if owner.name not in owners:
                _remove(owner)
                continue
            for version in list(owner.iterdir()) if owner.is_dir() else ():
                if (owner.name, version.name) not in used:
                    _remove(version)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
