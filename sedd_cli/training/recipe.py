"""Recipes: the configuration of a training run, as typed TOML."""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from sedd_cli.errors import NotLoadableError, UsageError
from sedd_cli.models.config import Config, D3PMConfig, GraphConfig, NoiseConfig, network_config, pad_id_of
from sedd_cli.training.inherited import BACKBONE_TYPES, inherit
from sedd_cli.training.objective_table import DEFAULT_OBJECTIVES, OBJECTIVES, ObjectiveName
from sedd_cli.training.padding_sizes import SHORTEST

Parallel = Literal["ddp", "fsdp"]

FREE_ON_RESUME = {"save", "report", "micro_batch", "parallel", "dtype", "start"}
"""Keys that may change on --resume."""
FREE_OF = {
    "data": {"train", "validation", "separator", "text_key", "held_out"},
    "phases": {"steps", "max_minutes", "decay"},
    "model": {"shift"},
}
"""Keys of sections that may change: the location of the data, which are packed; the length and decay of phases; the
shift, which is compared as `model.network.leading_id`."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class Data(_Section):
    """The location of the text. `separator`: the line between documents, `text_key`: the key of the text in JSON
    objects (None: detected). `held_out`: the share of documents kept for validation where no `validation` path is given
    (one in so many, a half at most). `short`: the share of steps whose canvases are cut to a random length, so that the
    network learns short ones too (as LLaDA, 2502.09992). `padding`: the share of canvases with gaps that PAD fills up
    (see `padding.py`), from which the network learns how long a gap is."""

    train: str = ""
    validation: str = ""
    separator: str | None = None
    text_key: str | None = None
    held_out: float = Field(default=0.01, gt=0, lt=1)
    short: float = Field(default=0.0, ge=0, le=1)
    padding: float = Field(default=0.0, ge=0, le=1)

    @model_serializer(mode="wrap")
    def _without_absent(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        table: dict[str, Any] = serialise(self)
        return {key: value for key, value in table.items() if key != "padding" or value}


FROM_START = ("type", "mask_id", "pad", "network", "shift")
"""Keys of a model that are absent without a `start`; all but `shift` are taken from it, and no recipe sets them."""


class Model(_Section):
    """The network: `form` radd (no time) or sedd (time-conditioned); `process` causal is the autoregressive baseline,
    with the objective autoregressive alone; `checkpointing` trades time for memory;
    `compile` has torch compile the blocks, which needs a C++ compiler and helps on accelerators only. `type`, `network`
    (the keys of that backbone alone), `mask_id` and `pad` are set by a `start` that has another backbone, MASK among
    its tokens, or a PAD state. `shift`: in a network adapted from an autoregressive `start`, whether logits at a
    position are of the next one, as it learnt them (the default), or of the position itself."""

    form: Literal["radd", "sedd"] = "radd"
    process: Literal["absorb", "uniform", "causal"] = "absorb"
    hidden_size: int = Field(default=256, gt=0)
    n_blocks: int = Field(default=6, gt=0)
    n_heads: int = Field(default=4, gt=0)
    cond_dim: int = Field(default=128, gt=0)
    length: int = Field(default=256, gt=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    scale_by_sigma: bool = True
    checkpointing: bool = False
    compile: bool = False
    type: str | None = None
    mask_id: int | None = None
    pad: bool | None = None
    network: dict[str, Any] | None = None
    shift: bool | None = None

    @model_serializer(mode="wrap")
    def _without_absent(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys that most recipes lack are written only where they are set."""
        table: dict[str, Any] = serialise(self)
        if network := table.get("network"):
            table["network"] = {key: value for key, value in network.items() if value is not None}
        return {key: value for key, value in table.items() if key not in FROM_START or value is not None}


class Noise(_Section):
    type: Literal["loglinear", "geometric", "cosine"] = "loglinear"
    sigma_min: float = Field(default=1e-4, gt=0)
    sigma_max: float = Field(default=20.0, gt=0)


class D3PM(_Section):
    """The chain of a run with a d3pm objective, and of its checkpoint: its `steps`, the `mixture` over x0 (`posterior`
    or `joint`), and `simple_weight`, the lambda of d3pm-hybrid."""

    steps: int = Field(default=1000, gt=0)
    mixture: Literal["posterior", "joint"] = "posterior"
    simple_weight: float = Field(default=0.01, ge=0)


class Optimiser(_Section):
    """`muon` steps the blocks' matrices with Muon and the rest with AdamW; `adamw` all with AdamW.

    Rates: `learning_rate` (AdamW), `matrix_rate` (Muon), `embedding_rate` (AdamW, the embedding).
    """

    name: Literal["adamw", "muon"] = "muon"
    learning_rate: float = Field(default=3e-3, gt=0)
    embedding_rate: float = Field(default=1e-2, gt=0)
    matrix_rate: float = Field(default=7e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    matrix_decay: float = Field(default=0.1, ge=0)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)


class Phase(_Section):
    """Part of a run: an objective for `steps` or for `max_minutes`, its rate warmed up over `warmup` steps and
    brought to zero over the last `decay` of the phase."""

    objective: ObjectiveName
    steps: int | None = Field(default=None, gt=0)
    max_minutes: float | None = Field(default=None, gt=0)
    warmup: int = Field(default=50, ge=0)
    decay: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _one_length(self) -> "Phase":
        if (self.steps is None) == (self.max_minutes is None):
            raise ValueError("give either steps or max_minutes")
        return self


class Save(_Section):
    """A checkpoint every so many minutes; the newest `keep` states stay."""

    minutes: float = Field(default=5.0, gt=0)
    keep: int = Field(default=2, gt=0)


class Report(_Section):
    """Metrics every `steps` steps; every `minutes` the validation bound on `canvases` canvases
    and, with `sample`, a text."""

    steps: int = Field(default=10, gt=0)
    minutes: float = Field(default=3.0, gt=0)
    canvases: int = Field(default=64, gt=0)
    replicates: int = Field(default=4, ge=2)
    sample: bool = True


class Recipe(_Section):
    """`batch_size` canvases a step, computed `micro_batch` at a time; `tokenizer` bpe:N, bytes, gpt2, a file or folder.

    `parallel`: each of torchrun's processes holds the whole network (`ddp`) or a shard of it (`fsdp`). They share the
    batch.

    `start`: a checkpoint to start from, by name, folder or hub id; network, noise and tokenizer (`start`) are then
    taken from it. `dtype`: of the products, by autocast. `auto` on a CPU: the faster of float32 and bfloat16, measured
    before a run begins and kept on resume; on a CUDA device: bfloat16 where that is supported, else float32.
    """

    name: str = "run"
    seed: int = Field(default=0, ge=0)
    tokenizer: str = "bpe:4096"
    batch_size: int = Field(default=16, gt=0)
    micro_batch: int = Field(default=16, gt=0)
    parallel: Parallel = "ddp"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    start: str | None = None
    data: Data = Data()
    model: Model = Model()
    noise: Noise = Noise()
    d3pm: D3PM = D3PM()
    optimiser: Optimiser = Optimiser()
    phases: list[Phase] = Field(min_length=1)
    save: Save = Save()
    report: Report = Report()

    @model_validator(mode="after")
    def _fits(self) -> "Recipe":
        if self.batch_size % self.micro_batch:
            raise ValueError(f"batch_size {self.batch_size} is no multiple of micro_batch {self.micro_batch}")
        if self.model.shift is not None and self.start is None:
            raise ValueError("model.shift needs a start: it is for networks that are adapted")
        if self.model.process == "uniform":
            if self.model.form == "radd":
                raise ValueError("model.form radd needs model.process absorb")
            for phase in self.phases:
                if OBJECTIVES[phase.objective].absorbing_only:
                    raise ValueError(
                        f"the objective {phase.objective} needs model.process absorb; use {DEFAULT_OBJECTIVES['SEDD']}"
                    )
        if self.model.process == "causal":
            for phase in self.phases:
                if not OBJECTIVES[phase.objective].autoregressive:
                    raise ValueError(f"the objective {phase.objective} needs noise, but model.process is causal")
        if self.data.padding:
            self._check_padding()
        self.config(tokens=max(2, self.model.mask_id or 0) + self.has_pad)
        return self

    def _check_padding(self) -> None:
        if self.model.form == "sedd" or self.model.process != "absorb":
            raise ValueError("data.padding needs model.form radd and model.process absorb")
        if unfit := [phase.objective for phase in self.phases if not OBJECTIVES[phase.objective].takes_padding]:
            fitting = ", ".join(name for name, info in OBJECTIVES.items() if info.takes_padding)
            raise ValueError(f"data.padding does not go with the objective {unfit[0]}; these take it: {fitting}")
        if self.model.length < SHORTEST:
            raise ValueError(f"data.padding needs a model.length of {SHORTEST} at least, not {self.model.length}")

    @property
    def has_pad(self) -> bool:
        """Whether the network has a PAD state: where it learns padding, or its start has."""
        return bool(self.data.padding or self.model.pad)

    @property
    def _has_chain(self) -> bool:
        return any(OBJECTIVES[phase.objective].has_chain for phase in self.phases)

    def config(self, tokens: int, provenance: dict[str, object] | None = None) -> Config:
        """The checkpoint's config, in the layout of the public folders; PAD is one of the `tokens`."""
        m = self.model
        return Config(
            tokens=tokens,
            mask_id=m.mask_id,
            pad_id=pad_id_of(tokens, m.mask_id) if self.has_pad else None,
            graph=GraphConfig(type=m.process),
            noise=NoiseConfig(**self.noise.model_dump()),
            d3pm=D3PMConfig(steps=self.d3pm.steps, mixture=self.d3pm.mixture) if self._has_chain else None,
            model=network_config(
                {
                    "name": self.name,
                    "type": m.type or BACKBONE_TYPES[m.form],
                    "scale_by_sigma": m.scale_by_sigma and m.process == "absorb",
                    "use_checkpoint": m.checkpointing,
                    **m.model_dump(include={"hidden_size", "cond_dim", "length", "n_blocks", "n_heads", "dropout"}),
                    **(m.network or {}),
                }
            ),
            provenance=provenance or {},
        )


def read_recipe(path: Path, changes: list[str], resume_dir: Path | None = None) -> Recipe:
    """A recipe file with `--set key=value` changes; `resume_dir`: the folder of the run to resume.

    Raises `NotLoadableError` or `UsageError` with what to correct.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NotLoadableError(f"cannot read {path}: {error.strerror}", "Give a recipe (.toml) or a text.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotLoadableError(f"{path} is not TOML: {error}", "See train/*.toml for recipes.") from error
    return make_recipe(table, changes, str(path), resume_dir)


def make_recipe(table: dict[str, Any], changes: list[str], source: str, resume_dir: Path | None = None) -> Recipe:
    for change in changes:
        _set(table, change)
    if isinstance(table.get("start"), str):
        inherit(table, resume_dir, source)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise UsageError(f"{source}: {'; '.join(faults_of(error))}", "See train/*.toml for recipes.") from None


def faults_of(error: ValidationError) -> list[str]:
    """What is wrong with a recipe, in words."""
    return [_fault(e["loc"], e["type"], e["msg"]) for e in error.errors()[:5]]


def _fault(where: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(map(str, where)) or "the recipe"
    if kind != "extra_forbidden":
        return f"{name}: {message.removeprefix('Value error, ')}"
    close = get_close_matches(str(where[-1]), _keys_at(where[:-1]), n=1)
    return f"unknown key {name}" + (f", did you mean {close[0]}?" if close else "")


def _keys_at(where: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Recipe
    for part in where:
        if part == "phases":
            section = Phase
        elif isinstance(part, str):
            annotation = section.model_fields[part].annotation
            assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
            section = annotation
    return list(section.model_fields)


def _set(table: dict[str, Any], change: str) -> None:
    """Apply `model.length=128` or `phases.0.steps=100`; the value is TOML, else a string."""
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise UsageError(f"--set takes key=value, not {change!r}", "For example --set model.length=128.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *path, last = key.split(".")
    place: Any = table
    try:
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError, AttributeError, TypeError):
        raise UsageError(f"--set {change}: there is no {key}", "Phases are numbered from 0: phases.0.steps.") from None


def differing_keys(old: Recipe, new: Recipe) -> list[str]:
    """Keys that differ, although a resumed run must not change them."""
    before, after = (_fixed(r.model_dump(mode="json")) for r in (old, new))
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _fixed(recipe: dict[str, Any]) -> dict[str, Any]:
    """The values that must not change, by their dotted names."""
    sections = {k: v if isinstance(v, dict) else {"": v} for k, v in recipe.items() if k not in FREE_ON_RESUME}
    sections |= {f"phases.{i}": phase for i, phase in enumerate(recipe["phases"])}
    return {
        f"{section}.{key}".rstrip("."): value
        for section, values in sections.items()
        for key, value in values.items()
        if section != "phases" and key not in FREE_OF.get(section.partition(".")[0], ())
    }
