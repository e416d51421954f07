"""Bodies of requests: their keys, and which of them are options of sampling."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from sedd_cli.generation.options import TABLE
from sedd_cli.serve.api_error import ApiError
from sedd_cli.serve.limits import MOST_GAPS, MOST_ROUNDS, MOST_ROWS, MOST_STEPS, MOST_STOPS
from sedd_cli.text.offsets import OffsetUnit

OF_THE_TEXT = ("length", "num_samples", "prompt", "suffix", "strength", "by", "batch_size")
"""Options that are no key of every request: a text's, or the server's."""
OPTION_OF_KEY: Mapping[str, str] = {"n": "num_samples", **{name: name for name in TABLE if name not in OF_THE_TEXT}}
"""The option of `Request` that a key of any request sets."""
OPTION_OF_EDIT_KEY: Mapping[str, str] = {**OPTION_OF_KEY, "strength": "strength", "by": "by", "length": "length"}
"""The same of a document's."""
AT_LINE_END, WITHIN_LINE = 24, 8
"""Tokens that are written at a cursor, at the most."""
MOST: Mapping[str, int] = {"n": MOST_ROWS, "steps": MOST_STEPS, "correct": MOST_STEPS, "revise": MOST_ROUNDS}
"""The largest values that are accepted."""
NOT_GIVEN: Mapping[str, Callable[[Any], bool]] = {"seed": lambda seed: seed < 0, "top_k": lambda k: k < 1}
"""Values by which clients of llama.cpp's server ask for none."""
NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "best_of": (1,),
    "frequency_penalty": (0,),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
}
"""Keys of OpenAI's that would change the text and have nothing here: values that ask for nothing."""
OF_OPENAI = (
    *("metadata", "parallel_tool_calls", "prompt_cache_key", "safety_identifier", "service_tier", "store", "user"),
    "verbosity",
)
"""Keys of OpenAI's that change no text."""
OF_LLAMA_CPP = (
    *("cache_prompt", "dry_allowed_length", "dry_base", "dry_multiplier", "dry_penalty_last_n", "dynatemp_exponent"),
    *("dynatemp_range", "id_slot", "lora", "min_p", "repeat_last_n", "repeat_penalty", "samplers", "t_max_prompt_ms"),
    *("timings_per_token", "typical_p", "xtc_probability", "xtc_threshold"),
)
"""Keys of llama.cpp's server that editors send with every request."""
IGNORED = frozenset((*OF_OPENAI, *OF_LLAMA_CPP))


def _options_model(keys: Mapping[str, str]) -> type[BaseModel]:
    """A model of the options that keys set, typed as the table has them."""
    fields: dict[str, Any] = {
        key: (TABLE[option].type | None, Field(None, le=MOST.get(key))) for key, option in keys.items()
    }
    return create_model("Options", __config__=ConfigDict(strict=True, allow_inf_nan=False), **fields)


class Body(BaseModel):
    """A request. Options of sampling are among its extra keys."""

    model_config = ConfigDict(strict=True, extra="allow")
    keys: ClassVar[Mapping[str, str]] = OPTION_OF_KEY
    typed: ClassVar[type[BaseModel]] = _options_model(OPTION_OF_KEY)
    lenient: ClassVar[bool] = False
    """Whether unknown keys are ignored."""

    model: str | None = None
    stream: bool | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read JSON. Raises `ApiError` for what is no such request."""
        try:
            body = cls.model_validate_json(data)
        except ValidationError as error:
            raise _misfit(error) from None
        body._check_extra()
        return body

    def options(self) -> dict[str, Any]:
        """The options of sampling that are given. Raises `ApiError` for one of another type."""
        extra = self.model_extra or {}
        values = {key: extra[key] for key in self.keys if extra.get(key) is not None}
        try:
            read = self.typed.model_validate(values)
        except ValidationError as error:
            raise _misfit(error) from None
        given = {key: value for key, value in read if value is not None}
        given = {key: value for key, value in given.items() if not NOT_GIVEN.get(key, lambda _: False)(value)}
        return {self.keys[key]: value for key, value in given.items()}

    def _check_extra(self) -> None:
        for key, value in (self.model_extra or {}).items():
            if key in self.keys or key in IGNORED or value is None or self.lenient:
                continue
            if key not in NEUTRAL:
                raise ApiError(400, f"unknown key {key!r}", key, "unknown_parameter")
            if value not in NEUTRAL[key]:
                raise ApiError(400, f"{key} is not supported by this server", key, "unsupported_parameter")


class StreamOptions(BaseModel):
    """`include_usage` is OpenAI's. `canvas`: canvases are sent as they are revealed."""

    model_config = ConfigDict(strict=True, extra="ignore")
    include_usage: bool | None = None
    canvas: bool | None = None


class Streamed(Body):
    """A body whose answer can be streamed with more than OpenAI's chunks."""

    stream_options: StreamOptions | None = None

    @property
    def canvases(self) -> bool:
        """Whether canvases are sent as they are revealed."""
        return bool(self.stream and self.stream_options and self.stream_options.canvas)


class Texts(Streamed):
    """What completions and dialogues have in common."""

    max_tokens: int | None = None
    stop: str | list[str] | None = None

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the numbers of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def stops(self) -> list[str]:
        """The strings that end a text. Raises `ApiError` for too many."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        if len(stops) > MOST_STOPS:
            raise ApiError(400, f"more than {MOST_STOPS} strings to stop at", "stop", "too_many")
        return [stop for stop in stops if stop]


class CompletionBody(Texts):
    """`POST /v1/completions`."""

    prompt: str | list[str] | None = None
    suffix: str | None = None
    logprobs: int | None = Field(None, ge=0, le=5)
    echo: bool | None = None

    @property
    def prompts(self) -> list[str]:
        """Raises `ApiError` for none, or too many."""
        prompts = self.prompt if isinstance(self.prompt, list) else [self.prompt or ""]
        if not 1 <= len(prompts) <= MOST_ROWS:
            raise ApiError(400, f"give 1 to {MOST_ROWS} prompts", "prompt", "invalid_prompt")
        return prompts


class Part(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(strict=True, extra="ignore")
    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A message of a dialogue."""

    model_config = ConfigDict(strict=True, extra="ignore")
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    def plain(self) -> dict[str, str]:
        """As chat templates read it: `developer` is the newer name of `system`."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


class ChatBody(Texts):
    """`POST /v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)


class Extra(BaseModel):
    """Text of another file, or of elsewhere in this one."""

    model_config = ConfigDict(strict=True, extra="ignore")
    text: str = ""


class InfillBody(Body):
    """`POST /infill`: text around an editor's cursor, which stands behind `prompt`."""

    lenient: ClassVar[bool] = True

    input_prefix: str = ""
    input_suffix: str = ""
    input_extra: list[Extra] | None = None
    prompt: str | None = None
    n_predict: int | None = None
    n_indent: int | None = None
    t_max_predict_ms: float | None = Field(None, allow_inf_nan=False)
    stop: list[str] | None = Field(None, max_length=MOST_STOPS)
    response_fields: list[str] | None = None

    @property
    def before(self) -> str:
        """All text before the cursor: the extra texts come first, as far from it as they may be."""
        extra = "".join(f"{part.text.rstrip()}\n\n" for part in self.input_extra or [] if part.text.strip())
        return f"{extra}{self.input_prefix}{self.prompt or ''}"

    @property
    def within_line(self) -> bool:
        """Whether text follows in the cursor's line: then no line end is written there."""
        return bool(self.input_suffix.partition("\n")[0].strip())

    @property
    def tokens(self) -> int:
        """Tokens to write. A gap is filled to its end, so there are fewer than editors ask for as the most."""
        usual = WITHIN_LINE if self.within_line else AT_LINE_END
        return usual if self.n_predict is None or self.n_predict < 0 else min(usual, self.n_predict)


class GapBody(BaseModel):
    """A gap of a document: `start` and `end` in its offsets; `tokens` to write, by default as many as stand there."""

    model_config = ConfigDict(strict=True, extra="forbid")
    start: int
    end: int
    tokens: int | tuple[int, int] | Literal["auto"] | None = None
    one_line: bool = False


class EditBody(Streamed):
    """`POST /v1/edit`. `offsets`: what the gaps count. `nats`: compute the bound also of a single candidate."""

    keys: ClassVar[Mapping[str, str]] = OPTION_OF_EDIT_KEY
    typed: ClassVar[type[BaseModel]] = _options_model(OPTION_OF_EDIT_KEY)

    document: str
    gaps: list[GapBody] = Field(min_length=1, max_length=MOST_GAPS)
    offsets: OffsetUnit = "characters"
    nats: bool | None = None


def _misfit(error: ValidationError) -> ApiError:
    """The first fault of a body, by the name of its key."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    # Of a union, the type that was tried is named too.
    where = [str(part) for part in fault["loc"] if "[" not in str(part) and part not in ("str", "int")]
    param = ".".join(where) or None
    if fault["type"] == "json_invalid":
        reason = fault["msg"].removeprefix("Invalid JSON: ")
        return ApiError(400, f"the body is not JSON: {reason}", code="invalid_json")
    message = (fault["msg"][:1].lower() + fault["msg"][1:]).replace(" after validation", "")
    return ApiError(400, f"{param}: {message}" if param else message, param, "invalid_type")
