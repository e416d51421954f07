"""Names that the shell can complete."""


def model_names() -> list[str]:
    """What `-m` takes at once: built in, or in the hub's cache."""
    from sedd_cli.models.cache import cached_checkpoints
    from sedd_cli.models.names import built_in_names

    return [*built_in_names(), *dict.fromkeys(c.name for c in cached_checkpoints() if c.complete)]


def hub_names() -> list[str]:
    """Repositories of the hub that are known to hold checkpoints."""
    from sedd_cli.models.cache import cached_checkpoints
    from sedd_cli.models.names import KNOWN

    return list(dict.fromkeys([*KNOWN, *(c.name for c in cached_checkpoints())]))
