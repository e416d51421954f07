"""Names for shell completion."""


def model_names() -> list[str]:
    """Names that `-m` takes without a download: built in, or in the hub's cache."""
    from sedd_cli.models.cache import cached_checkpoints
    from sedd_cli.models.names import built_in_names

    return [*built_in_names(), *dict.fromkeys(c.name for c in cached_checkpoints() if c.complete)]


def hub_names() -> list[str]:
    """Repositories of the hub that hold checkpoints: known or cached."""
    from sedd_cli.models.cache import cached_checkpoints
    from sedd_cli.models.names import PUBLIC_CHECKPOINTS

    return list(dict.fromkeys([*PUBLIC_CHECKPOINTS, *(c.name for c in cached_checkpoints())]))
