"""`sedd models`: checkpoints, local and on the hub."""

import json as json_
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedd_cli.cli import options
from sedd_cli.cli.completion import hub_names, model_names
from sedd_cli.cli.help import Command, Group
from sedd_cli.cli.output import Output, as_json
from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import SeddError, UsageError

if TYPE_CHECKING:
    from sedd_cli.models.cache import CachedCheckpoint
    from sedd_cli.models.config import Config

models = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="List, show and delete checkpoints.",
)
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Built-in name, folder, or OWNER/NAME[@REVISION].", autocompletion=model_names),
]


@models.command("list", cls=Command)
def list_(
    names: Annotated[bool, typer.Option("--names", help="Print names only, one per line.")] = False,
    json: options.Json = False,
) -> None:
    """List the checkpoints: built in, in the hub's cache, on the hub."""
    rows = _rows(_cached(Terminal()))
    with Output(None) as out:
        if json:
            out.write(as_json({"models": rows}))
        elif names:
            out.write(_join_lines(dict.fromkeys(str(row["name"]) for row in rows)))
        else:
            out.write(table(rows, shutil.get_terminal_size().columns if out.on_terminal else None))


@models.command(cls=Command)
def show(name: Name, json: options.Json = False) -> None:
    """Show a checkpoint's config, provenance, size and hash."""
    from sedd_cli.models.names import PUBLIC_CHECKPOINTS, find_checkpoint, local_folder

    if name in PUBLIC_CHECKPOINTS and local_folder(name) is None and not _is_cached(name):
        record: dict[str, Any] = {
            "name": name,
            "where": "hub",
            **_known(name),
            "fetch": f"sedd download {name}",
        }
    else:
        record = _record_of(name, find_checkpoint(name))
    with Output(None) as out:
        out.write(as_json(record) if json else _join_lines(_flatten(record)))


@models.command(cls=Command)
def path(name: Name) -> None:
    """Print the folder of a local checkpoint."""
    from sedd_cli.models.names import find_checkpoint

    with Output(None) as out:
        out.write(f"{find_checkpoint(name).absolute()}\n")


@models.command(cls=Command)
def rm(
    name: Annotated[str, typer.Argument(metavar="NAME", help="OWNER/NAME.", autocompletion=hub_names)],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask for confirmation.")] = False,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Delete a repository from the hub's cache, after confirmation.

    All its revisions are deleted. Built-in checkpoints and folders are not touched.
    """
    from rich.filesize import decimal

    from sedd_cli.models.cache import remove_cached, repository_size
    from sedd_cli.models.names import built_in_names, local_folder, parse_hub_id

    if name in built_in_names():
        raise UsageError(f"{name!r} is built in", "It is part of the package; pip uninstall sedd-cli deletes it.")
    if local_folder(name) is not None:
        raise UsageError(f"{name!r} is a folder, not a repository in the hub's cache", "Delete it yourself.")
    repository, revision = parse_hub_id(name)
    if revision is not None:
        raise UsageError("rm takes a repository, not a revision", f"sedd models rm {repository} deletes all of it.")
    terminal = Terminal(quiet=quiet, color=color)
    size = decimal(repository_size(repository))
    if not yes:
        if not terminal.can_prompt:
            raise UsageError(f"deleting {repository} needs confirmation, but this is not a terminal", "Give --yes.")
        if not terminal.confirm(f"Delete {repository} ({size}) from the hub's cache?"):
            terminal.info("not deleted")
            raise typer.Exit(1)
    remove_cached(repository)
    terminal.info(f"deleted {repository}: {size} freed")


def _cached(terminal: Terminal) -> "list[CachedCheckpoint]":
    """The checkpoints in the hub's cache; none, with a warning, if it cannot be read."""
    from sedd_cli.models.cache import cached_checkpoints

    try:
        return cached_checkpoints()
    except SeddError as error:
        terminal.warn(f"{error.message}. {error.hint}")
        return []


def _rows(checkpoints: "list[CachedCheckpoint]") -> list[dict[str, object]]:
    from sedd_cli.models.folder import folder_size, read_config
    from sedd_cli.models.names import DEFAULT_CHECKPOINT, PUBLIC_CHECKPOINTS, built_in_names, find_checkpoint

    built_in: list[dict[str, object]] = [
        {
            "name": name,
            "where": "built in",
            "bytes": folder_size(folder := find_checkpoint(name)),
            "path": str(folder),
            "about": read_config(folder).parameterization + (", the default" if name == DEFAULT_CHECKPOINT else ""),
        }
        for name in built_in_names()
    ]
    cached: list[dict[str, object]] = [
        {
            "name": c.name,
            "where": "cache" if c.complete else "cache, in part",
            "bytes": c.size,
            "commit": c.commit,
            "revisions": list(c.refs),
            "path": str(c.folder),
            **(_known(c.name) or {"about": ""}),
        }
        for c in checkpoints
    ]
    cached_names = {row["name"] for row in cached}
    uncached: list[dict[str, object]] = [
        {"name": name, "where": "hub", **_known(name)} for name in PUBLIC_CHECKPOINTS if name not in cached_names
    ]
    return [*built_in, *cached, *uncached]


def table(rows: list[dict[str, object]], width: int | None = None) -> str:
    """A line for each checkpoint; two where lines would be wider than `width`."""
    from rich.filesize import decimal

    cells = [
        [
            str(row["name"]),
            str(row["where"]),
            decimal(size) if isinstance(size := row.get("bytes"), int) else "",
            _revision(row),
            str(row.get("about", "")),
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    if width is not None and max(map(len, lines)) > width:
        lines = [f"{name}\n    {', '.join(filter(None, rest))}" for name, *rest in cells]
    return _join_lines(lines)


def _revision(row: dict[str, object]) -> str:
    refs = row.get("revisions")
    names = f" {', '.join(refs)}" if isinstance(refs, list) and refs else ""
    return f"{str(row.get('commit', ''))[:12]}{names}"


def _known(name: str) -> dict[str, object]:
    """What is known of a public checkpoint by its name; empty for others."""
    from sedd_cli.models.names import PUBLIC_CHECKPOINTS

    known = PUBLIC_CHECKPOINTS.get(name)
    return {key: value for key, value in known.facts().items() if value} if known else {}


def _record_of(name: str, folder: Path) -> dict[str, Any]:
    from sedd_cli.models.folder import config_table, count_parameters, folder_size, read_config, weights_hash
    from sedd_cli.models.hub_ids import cached_repository
    from sedd_cli.models.names import built_in_names

    config = read_config(folder)
    repository = cached_repository(folder)
    location = "built in" if name in built_in_names() else "folder" if repository is None else "cache"
    return {
        "name": repository or name,
        "where": location,
        **_known(repository or ""),
        **({"commit": folder.name} if repository else {}),
        "path": str(folder.absolute()),
        "bytes": folder_size(folder),
        "sha256": weights_hash(folder),
        "form": config.parameterization,
        "parameters": count_parameters(folder),
        "mask": _mask(config),
        **({"pad": pad} if (pad := config.pad_id) is not None else {}),
        "logits": "of the position itself" if config.model.leading_id is None else "of the next position",
        "context": config.model.length,
        **({"block_size": size} if (size := config.model.block_size) else {}),
        "tokenizer": _tokenizer(folder),
        "config": config_table(folder),
    }


def _mask(config: "Config") -> int | None:
    """MASK's id; None where the process has none."""
    return (config.tokens if config.mask_id is None else config.mask_id) if config.graph.type == "absorb" else None


def _tokenizer(folder: Path) -> str:
    from sedd_cli.models.layout import TOKENIZER

    files = [name for name in TOKENIZER if (folder / name).is_file()]
    return ", ".join(files) or "none of its own"


def _is_cached(name: str) -> bool:
    return any(cached.name == name for cached in _cached(Terminal()))


def _flatten(record: dict[str, Any], prefix: str = "") -> Iterable[str]:
    """Yield `key: value` lines; nested tables have dotted keys."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            plain = isinstance(value, str) and value.isprintable()
            yield f"{prefix}{key}: {value if plain else json_.dumps(value, ensure_ascii=False)}"


def _join_lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
