"""Names of checkpoints: what `-m NAME` resolves to."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.models.hub_ids import split_hub_id
from sedd_cli.models.layout import CONFIG

DEFAULT_CHECKPOINT = "tinystories"
_BUILT_IN = Path(__file__).resolve().parent.parent / "checkpoints"


@dataclass(frozen=True)
class PublicCheckpoint:
    """What is known of a repository before it is downloaded; "" and 0 where it is not.

    `mask`: the id of MASK, or what names it. `shift`: whether the logits at a position are those of the next one.
    `context`: tokens that it reads.
    """

    use: str
    parameters: str
    mask: str = "50257"
    shift: bool = False
    context: int = 0
    licence: str = ""

    @property
    def about(self) -> str:
        return f"{self.parameters}: {self.use}"

    def facts(self) -> dict[str, object]:
        """All that is known, by name."""
        logits = "of the next position" if self.shift else "of the position itself"
        known = {"parameters": self.parameters, "licence": self.licence, "mask": self.mask, "logits": logits}
        return {"about": self.about, **known, "context": self.context or ""}


_A2D_MASK = "the tokenizer's mask token"
PUBLIC_CHECKPOINTS = {
    "louaaron/sedd-small": PublicCheckpoint("English web text, SEDD (2310.16834)", "170M", context=1024),
    "louaaron/sedd-medium": PublicCheckpoint("English web text, SEDD (2310.16834)", "424M", context=1024),
    "JingyangOu/radd-lambda-dce": PublicCheckpoint("English web text, RADD (2406.03736)", "162M", context=1024),
    "JingyangOu/radd-t-dce": PublicCheckpoint("English web text, RADD (2406.03736)", "162M", context=1024),
    "kuleshov-group/mdlm-owt": PublicCheckpoint(
        "English web text, MDLM (2406.07524)", "170M", context=1024, licence="Apache-2.0"
    ),
    "kuleshov-group/mdlm-noeos-owt": PublicCheckpoint(
        "English web text, MDLM, without ends of texts", "170M", context=1024
    ),
    "kekchpek/idlm-mdlm": PublicCheckpoint("English web text, MDLM, distilled to few steps", "170M", context=1024),
    "fredzzp/open-dcoder-0.5B": PublicCheckpoint(
        "code, Open-dCoder (Qwen2.5)", "0.5B", mask="mask_token_id of generation_config.json", shift=True
    ),
    "dllm-hub/Qwen3-0.6B-diffusion-mdlm-v0.1": PublicCheckpoint("dialogues, A2D (Qwen3)", "0.6B", mask=_A2D_MASK),
    "dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-mdlm-v0.1": PublicCheckpoint(
        "code, dialogues, A2D (Qwen2.5)", "0.5B", mask=_A2D_MASK
    ),
    "GSAI-ML/LLaDA-8B-Base": PublicCheckpoint("text, LLaDA (2502.09992)", "8B", mask="126336", context=4096),
    "GSAI-ML/LLaDA-8B-Instruct": PublicCheckpoint("dialogues, LLaDA", "8B", "126336", context=4096, licence="MIT"),
    "GSAI-ML/LLaDA-1.5": PublicCheckpoint("dialogues, LLaDA", "8B", "126336", context=4096),
    "Dream-org/Dream-v0-Base-7B": PublicCheckpoint("text, Dream (2508.15487)", "7B", "151666", shift=True),
    "Dream-org/Dream-v0-Instruct-7B": PublicCheckpoint("dialogues, Dream", "7B", "151666", shift=True),
    "kuleshov-group/bd3lm-owt-block_size4": PublicCheckpoint("English web text, BD3-LM, blocks of 4", "170M"),
    "kuleshov-group/bd3lm-owt-block_size8": PublicCheckpoint("English web text, BD3-LM, blocks of 8", "170M"),
    "kuleshov-group/bd3lm-owt-block_size16": PublicCheckpoint("English web text, BD3-LM, blocks of 16", "170M"),
    "kuleshov-group/bd3lm-owt-block_size1024-pretrain": PublicCheckpoint(
        "English web text, BD3-LM before its training on blocks", "170M"
    ),
    "dllm-hub/Qwen3-0.6B-diffusion-bd3lm-v0.1": PublicCheckpoint(
        "dialogues, A2D (Qwen3), blocks of 32", "0.6B", mask=_A2D_MASK
    ),
    "dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-bd3lm-v0.1": PublicCheckpoint(
        "code, dialogues, A2D (Qwen2.5), blocks of 32", "0.5B", mask=_A2D_MASK
    ),
}
"""Public checkpoints by their names on the hub. Other repositories with the same layouts load as well."""


def built_in_names() -> list[str]:
    """Names of the checkpoints in the package."""
    return sorted(p.parent.name for p in _BUILT_IN.glob(f"*/{CONFIG}"))


def parse_hub_id(name: str, revision: str | None = None) -> tuple[str, str | None]:
    """Split a name that must be one of the hub. Raises `UsageError` if it is not, or if two revisions are given."""
    parts = split_hub_id(name)
    if parts is None:
        raise UsageError(
            f"{name!r} is not the name of a repository on the hub",
            f"Use OWNER/NAME, for example {next(iter(PUBLIC_CHECKPOINTS))}; sedd models list names more.",
        )
    repository, revision_in_name = parts
    if revision_in_name and revision and revision_in_name != revision:
        raise UsageError(f"two revisions are given, {revision_in_name!r} and {revision!r}", "Give one.")
    return repository, revision or revision_in_name


def local_folder(name: str) -> Path | None:
    """The folder of a built-in checkpoint, or an existing folder at a path; None if there is neither.

    A built-in name takes precedence over a folder of that name in the working directory (use `./NAME` for that).
    Raises `NotLoadableError` for a path without read permission.
    """
    if name in built_in_names():
        return _BUILT_IN / name
    folder = expand_path(name)
    try:
        return folder if folder.is_dir() else None
    except OSError as error:
        raise NotLoadableError(
            f"cannot read {folder}: {error.strerror}", "Check the path and its permissions."
        ) from None


def expand_path(name: str) -> Path:
    """A name as a path; `~` is expanded if there is a home folder."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 - never raises


def find_checkpoint(name: str | None) -> Path:
    """The folder of a checkpoint: a built-in name (None: the default), a path, or a hub id in the hub's cache.

    Downloads nothing. Raises `NotLoadableError` if there is no such checkpoint.
    """
    name = DEFAULT_CHECKPOINT if name is None else name
    folder = local_folder(name)
    if folder is not None:
        return folder
    if expand_path(name).exists():
        raise NotLoadableError(
            f"{name!r} is a file, not a checkpoint", "Give the folder with config.json and the weights."
        )
    parts = split_hub_id(name)
    if parts is not None:
        from sedd_cli.models.cache import require_cached

        return require_cached(*parts)
    built_in = built_in_names()
    close = get_close_matches(name, [*built_in, *PUBLIC_CHECKPOINTS], n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    raise NotLoadableError(
        f"there is no checkpoint {name!r}: it is neither built in nor a folder",
        f"{hint}Built in: {', '.join(built_in)}; or give the path of a folder with config.json and weights, "
        "or a repository of the hub (sedd models list).",
    )
