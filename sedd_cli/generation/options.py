"""The sampling options, each declared once: the table that commands, library and settings are made from.

Imports no torch. An option is a field of `SamplingOptions`, with an `Option`, and a key of `SamplingKeywords`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, TypedDict, get_args, get_type_hints

from sedd_cli.diffusion.names import MaskedFirst, NoiseSampler, OrderName, RemaskName, SamplerName, ScoreUse
from sedd_cli.ranges import FROM_0, FROM_1, NOT_NEGATIVE, SHARE, SHARE_OR_0, RealRange, WholeRange

CommandName = Literal["generate", "infill", "eval samples", "eval infill"]


@dataclass(frozen=True)
class Shown:
    """An option in one command: its help and default where they differ from the table's."""

    help: str | None = None
    default: object = None


EVERYWHERE: Mapping[CommandName, Shown] = dict.fromkeys(get_args(CommandName), Shown())


@dataclass(frozen=True, kw_only=True)
class Setting:
    """An option in the settings of the TUI: its sentence in the form.

    `blank` describes an empty field, where it may be empty: the option is then left as a command leaves one that is not
    given. `type` and `accepts`, a description of the values: where they differ from the option's.
    """

    sentence: str
    blank: str = ""
    type: Any = None
    accepts: str = ""


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is known of an option beside its name, type and default.

    `range` is checked, and described, under `label` (default: the name). `commands`: where it is an option of the
    command line, with these `flags` (default: the name's) and this placeholder of its value, `metavar`.
    """

    help: str = ""
    metavar: str = "N"
    commands: Mapping[CommandName, Shown] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    panel: Literal["sampling", "order", "machine"] = "sampling"
    range: WholeRange | RealRange | None = None
    label: str = ""
    setting: Setting | None = None


def _one_of(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How to draw samples: rows `row ... row + num_samples - 1` of `seed`.

    `length`: the canvas in tokens, prompt and suffix included (None: the checkpoint's). `seed`: None for a fresh
    one. `sampler`: None for tweedie, or of an autoregressive checkpoint left-to-right; `ancestral` takes the steps of
    the checkpoint's own chain, not `steps`. `score`: `normalised` reads the network's score as `p(x_i | unmasked)`,
    `raw` as the original code does. `temperature` (0: always the likeliest token), `top_k`, `top_p`, and those of
    `diffusion.unmasking.Unmasking` (`order` to `horizon`) change the law of the samples, but `correct`. `strength` and
    `by` are of documents alone (`generation.partial`). `batch_size`: rows in one network call (None: one on a CPU, 16
    elsewhere); it changes no sample on a CPU.
    """

    length: Annotated[
        int | None,
        Option(
            help="Canvas in tokens; the checkpoint's by default.",
            commands=EVERYWHERE,
            range=FROM_1,
            setting=Setting(sentence="Tokens on a new canvas, the prompt among them.", blank="the checkpoint's"),
        ),
    ] = None
    steps: Annotated[
        int,
        Option(
            help="Steps of the time grid.",
            commands={"generate": Shown(), "infill": Shown(), "eval infill": Shown()},
            range=FROM_1,
            setting=Setting(
                sentence="Denoising steps of a run. More is slower and closer to the model.",
                blank="the checkpoint's, or 256",
            ),
        ),
    ] = 256
    seed: Annotated[
        int | None,
        Option(
            help="Same seed, same text.",
            commands={
                **EVERYWHERE,
                "eval samples": Shown("Same seed, same texts.", 0),
                "eval infill": Shown("Same seed, same gaps and fillings.", 0),
            },
            range=FROM_0,
            setting=Setting(sentence="The same seed and settings write the same text.", blank="a fresh one"),
        ),
    ] = None
    num_samples: Annotated[
        int,
        Option(
            help="How many texts.",
            commands={
                "generate": Shown(),
                "infill": Shown("Candidates; the best is printed."),
                "eval samples": Shown("Texts at each number of steps.", 64),
                "eval infill": Shown("Gaps of each kind.", 20),
            },
            flags=("-n", "--num"),
            range=FROM_1,
            label="the number of samples",
        ),
    ] = 1
    row: Annotated[
        int,
        Option(
            help="First row of the seed: --row 3 is the fourth text of -n.",
            commands={"generate": Shown(), "infill": Shown()},
            range=FROM_0,
        ),
    ] = 0
    prompt: Annotated[str | None, Option()] = None
    suffix: Annotated[
        str | None, Option(help="How the text ends.", metavar="TEXT", commands={"generate": Shown(default="")})
    ] = None
    sampler: Annotated[
        SamplerName | None,
        Option(
            help=f"How it steps back in time: {_one_of(get_args(SamplerName))}. "
            "Default: tweedie; an autoregressive checkpoint has left-to-right alone.",
            metavar="NAME",
            commands=EVERYWHERE,
            setting=Setting(
                sentence="How masked tokens are revealed, step by step.",
                blank="the checkpoint's, or tweedie",
                # The interface takes no checkpoint that has a sampler of its own.
                type=NoiseSampler,
                accepts=_one_of(get_args(NoiseSampler)),
            ),
        ),
    ] = None
    score: Annotated[
        ScoreUse,
        Option(help="normalised, or raw: as in the original code.", metavar="NAME", commands=EVERYWHERE),
    ] = "normalised"
    temperature: Annotated[
        float,
        Option(
            help="Below 1 sharpens each choice; 0 takes the likeliest token.",
            metavar="X",
            commands=EVERYWHERE,
            range=NOT_NEGATIVE,
            setting=Setting(
                sentence="Below 1 likely tokens become likelier, above 1 rare ones do.", blank="the checkpoint's, or 1"
            ),
        ),
    ] = 1.0
    top_k: Annotated[
        int | None,
        Option(
            help="Keep the K likeliest tokens.",
            metavar="K",
            commands=EVERYWHERE,
            range=FROM_1,
            label="top-k",
            setting=Setting(sentence="Draw from this many of the likeliest tokens only.", blank="all tokens"),
        ),
    ] = None
    top_p: Annotated[
        float | None,
        Option(
            help="Keep the likeliest tokens of mass P.",
            metavar="P",
            commands=EVERYWHERE,
            range=SHARE,
            label="top-p",
            setting=Setting(
                sentence="Draw from the likeliest tokens that hold this probability together.",
                blank="the checkpoint's, or all",
            ),
        ),
    ] = None
    order: Annotated[
        OrderName,
        Option(
            help=f"Which tokens are written first: {_one_of(get_args(OrderName))}. Random is the model's own law; "
            "confidence, margin and entropy begin with those that it is surest of.",
            metavar="NAME",
            commands=EVERYWHERE,
            panel="order",
            setting=Setting(
                sentence="Which tokens are written first. Random keeps the model's law.",
                blank="the checkpoint's, or random",
                accepts=_one_of(get_args(OrderName)),
            ),
        ),
    ] = "random"
    per_call: Annotated[
        int | None,
        Option(
            help="With an order: tokens written in a network call. Default: as many as --steps calls need.",
            metavar="K",
            commands=EVERYWHERE,
            panel="order",
            range=FROM_1,
            label="per-call",
        ),
    ] = None
    threshold: Annotated[
        float | None,
        Option(
            help="With an order: write all tokens that the model is surer of than P, from 0 to 1, in one call.",
            metavar="P",
            commands=EVERYWHERE,
            panel="order",
            range=SHARE,
        ),
    ] = None
    eos_confidence: Annotated[
        float | None,
        Option(
            help="With an order: take an end of the text to be no surer than P. 0 writes it last.",
            metavar="P",
            commands=EVERYWHERE,
            panel="order",
            range=SHARE_OR_0,
            label="eos-confidence",
        ),
    ] = None
    remask: Annotated[
        RemaskName | None,
        Option(
            help=f"Mask some written tokens again on the way, to mend them: {_one_of(get_args(RemaskName))} (ReMDM).",
            metavar="NAME",
            commands=EVERYWHERE,
            panel="order",
        ),
    ] = None
    eta: Annotated[
        float | None,
        Option(
            help="How often --remask does so, up to 1. Default: cap 0.008, rescale 0.015, loop 0.02.",
            metavar="X",
            commands=EVERYWHERE,
            panel="order",
            range=SHARE,
        ),
    ] = None
    correct: Annotated[
        int,
        Option(
            help="Draw N written tokens again, each given all others, in a network call each. Keeps the model's law.",
            commands=EVERYWHERE,
            panel="order",
            range=FROM_0,
        ),
    ] = 0
    revise: Annotated[
        int,
        Option(
            help="Read the text N times, and write anew what --top-p or --top-k excludes there, given the rest.",
            metavar="N",
            commands=EVERYWHERE,
            panel="order",
            range=FROM_0,
        ),
    ] = 0
    block: Annotated[
        int | None,
        Option(
            help="Write B tokens, then the B after them, and so on; --steps are those of all.",
            metavar="B",
            commands=EVERYWHERE,
            panel="order",
            range=FROM_1,
        ),
    ] = None
    horizon: Annotated[
        int | None,
        Option(
            help="With --block: how many MASKs behind a block the model sees. Default: all.",
            commands=EVERYWHERE,
            panel="order",
            range=FROM_0,
        ),
    ] = None
    strength: Annotated[
        float,
        Option(
            help="Mask this share of each gap's tokens and keep the others: 0.3 rewrites a little, 1 all of it.",
            metavar="S",
            commands={"infill": Shown()},
            range=SHARE_OR_0,
            setting=Setting(sentence="The share of a gap's tokens that is written anew; the others are kept."),
        ),
    ] = 1.0
    by: Annotated[
        MaskedFirst,
        Option(
            help="With --strength below 1: mask tokens at random, or those that the model finds unlikely.",
            metavar="NAME",
            commands={"infill": Shown()},
            setting=Setting(
                sentence="With a strength below 1: write tokens anew at random, or those that are unlikely.",
                accepts=_one_of(get_args(MaskedFirst)),
            ),
        ),
    ] = "random"
    batch_size: Annotated[
        int | None,
        Option(
            help="Rows in one network call. Changes no text on a CPU.",
            commands=EVERYWHERE,
            panel="machine",
            range=FROM_1,
            label="batch size",
        ),
    ] = None


class SamplingKeywords(TypedDict, total=False):
    """`SamplingOptions` as keyword arguments of `generate`, `stream` and `infill`."""

    length: int | None
    steps: int
    seed: int | None
    num_samples: int
    row: int
    prompt: str | None
    suffix: str | None
    sampler: SamplerName | None
    score: ScoreUse
    temperature: float
    top_k: int | None
    top_p: float | None
    order: OrderName
    per_call: int | None
    threshold: float | None
    eos_confidence: float | None
    remask: RemaskName | None
    eta: float | None
    correct: int
    revise: int
    block: int | None
    horizon: int | None
    strength: float
    by: MaskedFirst
    batch_size: int | None


@dataclass(frozen=True)
class Entry:
    """An option of the table: its name, type and default, and what else is known of it."""

    name: str
    type: Any
    default: Any
    option: Option

    @property
    def label(self) -> str:
        return self.option.label or self.name


def _entries() -> dict[str, Entry]:
    hints = get_type_hints(SamplingOptions, include_extras=True)
    entries = {}
    for item in fields(SamplingOptions):
        annotation, option = get_args(hints[item.name])
        entries[item.name] = Entry(item.name, annotation, item.default, option)
    return entries


TABLE: Mapping[str, Entry] = _entries()
"""The options by name, in the order in which they are recorded."""


def check_ranges(options: SamplingOptions) -> None:
    """Make numbers of other kinds, such as numpy's, Python's own. Raises `UsageError` for the first out of range."""
    for entry in TABLE.values():
        if entry.option.range is not None:
            # Of a record that is frozen, and being made.
            number = entry.option.range.check(entry.label, getattr(options, entry.name))
            object.__setattr__(options, entry.name, number)
