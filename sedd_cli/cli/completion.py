"""Names for shell completion."""

from typing import TYPE_CHECKING

from sedd_cli.errors import SeddError

if TYPE_CHECKING:
    from sedd_cli.models.cache import CachedCheckpoint


def model_names() -> list[str]:
    """Names that `-m` takes without a download: built in, or in the hub's cache."""
    from sedd_cli.models.names import built_in_names

    return [*built_in_names(), *dict.fromkeys(c.name for c in _cached() if c.complete)]


def hub_names() -> list[str]:
    """Repositories of the hub that hold checkpoints: known or cached."""
    from sedd_cli.models.names import PUBLIC_CHECKPOINTS

    return list(dict.fromkeys([*PUBLIC_CHECKPOINTS, *(c.name for c in _cached())]))


def _cached() -> "list[CachedCheckpoint]":
    from sedd_cli.models.cache import cached_checkpoints

    try:
        return cached_checkpoints()
    except SeddError:
        return []
