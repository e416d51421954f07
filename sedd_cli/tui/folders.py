"""The user's own folders. Without a home there are none."""

from collections.abc import Callable
from pathlib import Path

import platformdirs

NO_HOME = "this user has no home folder"


def config_folder() -> Path | None:
    return _folder(platformdirs.user_config_path)


def state_folder() -> Path | None:
    return _folder(platformdirs.user_state_path)


def _folder(find: Callable[[str], Path]) -> Path | None:
    try:
        folder = find("sedd")
    except RuntimeError:
        return None
    # Some versions of platformdirs return `~/...` as it is.
    return folder if folder.is_absolute() else None
