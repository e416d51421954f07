"""Names of checkpoints: what `-m NAME` can mean."""

from difflib import get_close_matches
from pathlib import Path

from sedd_cli.errors import NotLoadableError

DEFAULT = "tinystories"
_BUILT_IN = Path(__file__).resolve().parent.parent / "checkpoints"


def built_in_names() -> list[str]:
    """Names of the checkpoints that the package carries."""
    return sorted(p.parent.name for p in _BUILT_IN.glob("*/config.json"))


def find_checkpoint(name: str | None) -> Path:
    """The folder of a checkpoint: None for the default, a built-in name, or a path.

    A built-in name wins over a folder of that name in the working directory (`./NAME` reaches that).
    Raises `NotLoadableError` if there is no such thing.
    """
    name = DEFAULT if name is None else name
    built_in = built_in_names()
    if name in built_in:
        return _BUILT_IN / name
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise NotLoadableError(
            f"{name!r} is a file, not a checkpoint", "Give the folder that holds config.json and the weights."
        )
    close = get_close_matches(name, built_in, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise NotLoadableError(
        f"there is no checkpoint {name!r}: it is neither built in nor a folder",
        f"{hint}Built in: {', '.join(built_in)}; or give the path of a folder with config.json and weights.",
    )
