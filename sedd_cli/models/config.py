"""`config.json` of a checkpoint: the nested training configuration of the public SEDD and RADD folders.

Only the keys that define the network, the process and the schedule are read. Reading needs no torch: checkpoints are
listed, and refused before the download, without it.
"""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sedd_cli.models.backbones import BACKBONES

if TYPE_CHECKING:
    from sedd_cli.diffusion.processes import StateSpace
    from sedd_cli.diffusion.schedules import Schedule


class _Section(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class NoiseConfig(_Section):
    type: Literal["loglinear", "geometric", "cosine"]
    sigma_min: float = Field(default=1e-4, gt=0)
    sigma_max: float = Field(default=20.0, gt=0)
    eps: float = Field(default=1e-3, gt=0, lt=1)


class GraphConfig(_Section):
    """`causal`: no noise, an autoregressive network, the baseline."""

    type: Literal["absorb", "uniform", "causal"] = "absorb"


class D3PMConfig(_Section):
    """The chain of a D3PM: T = `steps`, and the `mixture` of its reverse step (see `diffusion.d3pm`)."""

    steps: int = Field(default=1000, gt=0)
    mixture: Literal["posterior", "joint"] = "posterior"


class NetworkConfig(_Section):
    """`type` is one of `backbones.BACKBONES`, such as `ddit` (SEDD form: time-conditioned) or `ddit_wot` (RADD form: no
    time).

    `leading_id`: the logits at a position are those of the next one, and this token stands before every canvas.
    `block_size`: attention is block-causal, a position sees its own block and those before it (BD3-LM, 2503.09573);
    None: the whole canvas. `use_checkpoint`: training computes each block again in the backward pass, for less memory.
    """

    name: str = ""
    type: str = "ddit"
    hidden_size: int = Field(gt=0)
    cond_dim: int = Field(default=128, gt=0)
    length: int = Field(gt=0)
    n_blocks: int = Field(gt=0)
    n_heads: int = Field(gt=0)
    scale_by_sigma: bool = True
    dropout: float = Field(default=0.0, ge=0, lt=1)
    use_checkpoint: bool = False
    leading_id: int | None = Field(default=None, ge=0)
    block_size: int | None = Field(default=None, gt=0)

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in BACKBONES:
            *others, last = map(repr, BACKBONES)
            expected = f"{', '.join(others)} or {last}"
            raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
        return value

    @model_validator(mode="after")
    def _heads_fit(self) -> "NetworkConfig":
        if self.hidden_size % (2 * self.n_heads):
            raise ValueError(f"hidden_size {self.hidden_size} is not an even multiple of n_heads {self.n_heads}")
        return self

    @property
    def time_conditioned(self) -> bool:
        return BACKBONES[self.type].time_conditioned


class RopeScaling(_Section):
    """Rotary positions stretched as Llama 3.1's are; the keys are transformers'."""

    rope_type: Literal["llama3"] = "llama3"
    factor: float = Field(ge=1)
    low_freq_factor: float = Field(gt=0)
    high_freq_factor: float
    original_max_position_embeddings: int = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> "RopeScaling":
        if self.high_freq_factor <= self.low_freq_factor:
            raise ValueError(
                f"high_freq_factor {self.high_freq_factor} is not above low_freq_factor {self.low_freq_factor}"
            )
        return self


class LlamaConfig(NetworkConfig):
    """The network of `backbones.llama`. `tied`: the head is the embedding. `mlp_size`: features inside an MLP."""

    type: Literal["llama"] = "llama"
    n_kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0, multiple_of=2)
    mlp_size: int = Field(gt=0)
    rope_theta: float = Field(default=10_000.0, gt=0)
    rope_scaling: RopeScaling | None = None
    norm_eps: float = Field(default=1e-6, gt=0)
    qkv_bias: bool = False
    qk_norm: bool = False
    tied: bool = False
    scale_by_sigma: bool = False

    @model_validator(mode="after")
    def _heads_fit(self) -> "LlamaConfig":
        if self.n_heads % self.n_kv_heads:
            raise ValueError(f"n_heads {self.n_heads} is not a multiple of n_kv_heads {self.n_kv_heads}")
        return self


def network_config(table: dict[str, Any]) -> NetworkConfig:
    """The section `model` as the class of its type. Raises pydantic's `ValidationError`."""
    return (LlamaConfig if table.get("type") == "llama" else NetworkConfig).model_validate(table)


def pad_id_of(tokens: int, mask_id: int | None) -> int:
    """PAD's id, it being one of the tokens: the last before MASK where that is the last state, else the last state."""
    return tokens - 1 if mask_id is None else tokens


class Config(_Section):
    """The config of a checkpoint. A missing `graph` means absorbing, as in the public RADD folders.

    `tokens` can be written; `mask_id` is the state beside them (None: the last one, `tokens`), absorbing only.
    `pad_id`: the last of the tokens, which fills up gaps whose length the network chooses (RADD form only); the
    tokenizer does not have it. Where no PAD is visible, none is written (see `ScoreNetwork`).
    `trained_canvas`: whether `model.length` is the canvas of its training, not just the most that it can read.
    `opens_with_end`: position 0 was never noised in training, and where no text stands there it holds end-of-text.
    `end_ids`: tokens that end a text, beside the tokenizer's own end-of-text token.
    """

    tokens: int = Field(gt=1)
    mask_id: int | None = Field(default=None, ge=0)
    pad_id: int | None = Field(default=None, ge=0)
    graph: GraphConfig = GraphConfig()
    noise: NoiseConfig
    d3pm: D3PMConfig | None = None
    model: SerializeAsAny[NetworkConfig]
    trained_canvas: bool = True
    opens_with_end: bool = False
    end_ids: tuple[int, ...] = ()
    provenance: dict[str, object] = Field(default_factory=dict)

    @field_validator("model", mode="wrap")
    @classmethod
    def _of_its_type(cls, value: object, handler: ValidatorFunctionWrapHandler) -> NetworkConfig:
        if isinstance(value, dict) and value.get("type") == "llama":
            return network_config(value)
        network: NetworkConfig = handler(value)
        return network

    @model_validator(mode="after")
    def _form_fits_process(self) -> "Config":
        if self.graph.type == "uniform" and not self.model.time_conditioned:
            raise ValueError("model.type ddit_wot (RADD form) needs the absorbing process, but graph.type is uniform")
        if self.graph.type == "causal" and self.d3pm is not None:
            raise ValueError("d3pm is a chain of noise, but graph.type is causal")
        if self.mask_id is not None and (self.graph.type != "absorb" or self.mask_id > self.tokens):
            raise ValueError(f"mask_id {self.mask_id} is no state of the absorbing process with {self.tokens} tokens")
        by_blocks = self.model.block_size is not None
        if by_blocks and (self.graph.type != "absorb" or self.d3pm or self.model.time_conditioned):
            raise ValueError("model.block_size needs RADD form: graph.type absorb, no time and no chain")
        if self.pad_id is not None:
            self._check_pad(self.pad_id)
        if by_blocks and self.model.leading_id is not None:
            raise ValueError("model.block_size and model.leading_id do not go together")
        if self.graph.type == "uniform" and self.model.scale_by_sigma:
            raise ValueError("model.scale_by_sigma is defined for graph.type absorb only")
        return self

    def _check_pad(self, pad_id: int) -> None:
        if self.graph.type != "absorb" or self.d3pm or self.model.time_conditioned or self.model.block_size is not None:
            raise ValueError(
                "pad_id needs a network of RADD form: graph.type absorb, no time (not SEDD form), no chain, no blocks"
            )
        last = pad_id_of(self.tokens, self.mask_id)
        if pad_id != last or pad_id == self.mask_id:
            raise ValueError(f"pad_id {pad_id} is not the last of the {self.tokens} tokens, {last}")

    @property
    def text_tokens(self) -> int:
        """The tokens that stand in texts: all but PAD."""
        return self.tokens - (self.pad_id is not None)

    def process(self) -> "StateSpace":
        from sedd_cli.diffusion.processes import Absorbing, Causal, Uniform

        if self.graph.type == "causal":
            return Causal(self.tokens)
        return Uniform(self.tokens) if self.graph.type == "uniform" else Absorbing(self.tokens, self.mask_id)

    def schedule(self) -> "Schedule":
        from sedd_cli.diffusion.schedules import Cosine, Discrete, Geometric, LogLinear, Schedule

        noise: Schedule
        if self.noise.type == "geometric":
            noise = Geometric(self.noise.sigma_min, self.noise.sigma_max)
        else:
            noise = Cosine(self.noise.eps) if self.noise.type == "cosine" else LogLinear(self.noise.eps)
        return noise if self.d3pm is None else Discrete(noise, self.d3pm.steps, self.d3pm.mixture)

    @property
    def parameterization(self) -> str:
        """What the network's output means: SEDD, RADD, D3PM or autoregressive."""
        if self.graph.type == "causal":
            return "autoregressive"
        if self.d3pm is not None:
            return "D3PM"
        return "SEDD" if self.model.time_conditioned else "RADD"
