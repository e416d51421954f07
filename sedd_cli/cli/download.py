"""`sedd download`: download a checkpoint into the hub's cache."""

from typing import Annotated

import typer

from sedd_cli.cli import options
from sedd_cli.cli.checkpoints import fetch_checkpoint
from sedd_cli.cli.completion import hub_names
from sedd_cli.cli.output import Output, as_json
from sedd_cli.cli.terminal import Terminal


def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="OWNER/NAME on the hub.", autocompletion=hub_names)],
    revision: Annotated[str | None, typer.Option(metavar="NAME", help="Branch, tag or commit. Default: main.")] = None,
    json: options.Json = False,
    color: options.ColorChoice = "auto",
    quiet: options.Quiet = False,
) -> None:
    """Download a checkpoint, verify it, and print its folder.

    Files go to the hub's own cache, under the usual HF_HOME, HF_TOKEN and HF_HUB_OFFLINE. Cached files are not
    downloaded again. Afterwards -m NAME loads it (-m NAME@REVISION for a revision other than main); sedd train TEXT
    --from NAME also takes autoregressive Qwen and Llama checkpoints.
    """
    from sedd_cli.models.folder import folder_size
    from sedd_cli.models.names import parse_hub_id

    repository, revision = parse_hub_id(name, revision)
    with Output(None) as out:
        folder = fetch_checkpoint(repository, revision, Terminal(quiet=quiet, color=color), to_train=True)
        size = folder_size(folder)
        record = {"name": repository, "revision": revision or "main", "commit": folder.name, "bytes": size}
        out.write(as_json({**record, "path": str(folder)}) if json else f"{folder}\n")
