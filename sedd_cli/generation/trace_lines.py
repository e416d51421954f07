"""The lines of a trace: fields of each kind, and their validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sedd_cli.errors import NotLoadableError
from sedd_cli.generation.fields import MOST, Fields
from sedd_cli.text.line_ends import CRLF

FORMAT = "sedd-trace"
VERSION = 1
SLACK = 1e-3
"""Probabilities and entropies are float32: tolerance beyond their bounds."""


@dataclass(frozen=True)
class RecordedGap:
    """Characters `start` to `end` of the document were replaced by so many tokens."""

    start: int
    end: int
    tokens: int


@dataclass(frozen=True)
class CanvasLayout:
    """A canvas in the header: its length, the updates of its sampler, the numbers of its gaps, and the tokens of each.

    `space_positions`: positions whose token begins with the space that ends the text before it; `trailing_positions`:
    those behind whose token a space is put.
    """

    length: int
    steps: int
    free: tuple[int, ...]
    gaps: tuple[int, ...] = ()
    space_positions: frozenset[int] = frozenset()
    trailing_positions: frozenset[int] = frozenset()
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True)
class Header:
    """Fields of the whole run. `layouts`: one, or one per window of a document.

    `infills`: whether a document was filled. `document`: its text, if recorded. `newline`: how its line ends are
    written.
    """

    checkpoint: str
    sampler: str
    steps: int
    seed: int
    mask_id: int | None
    end_ids: frozenset[int]
    prompt: str
    suffix: str
    rows: range
    layouts: tuple[CanvasLayout, ...]
    gaps: tuple[RecordedGap, ...]
    infills: bool
    document: str | None
    newline: str = "\n"

    def layout(self, row: int) -> CanvasLayout:
        return self.layouts[row % len(self.layouts)]


@dataclass(frozen=True)
class Start:
    """The canvas of a row before its first step. `pieces` are bytes; None is MASK. `free`: None for the layout's.

    `layout`: its own, where the gaps of a row have their own lengths; None for the header's.
    """

    row: int
    ids: Sequence[int]
    pieces: Sequence[bytes | None]
    free: frozenset[int] | None = None
    layout: CanvasLayout | None = None


@dataclass(frozen=True)
class StepLine:
    """Tokens written by one network call, and positions remasked before it."""

    row: int
    step: int
    t: float
    nfe: int
    positions: Sequence[int]
    ids: Sequence[int]
    pieces: Sequence[bytes | None]
    probability: Sequence[float]
    entropy: Sequence[float]
    remasked: Sequence[int] = ()


@dataclass(frozen=True)
class EditLine:
    """A canvas after a manual edit, and its free positions."""

    row: int
    edit: str
    ids: Sequence[int]
    pieces: Sequence[bytes | None]
    free: frozenset[int]


def read_header(line: bytes, name: str) -> Header:
    """Parse the first line. Raises `NotLoadableError` if it is not a trace header of this version."""
    try:
        fields = Fields.of(line, f"{name}, line 1")
        known = fields.record.get("format") == FORMAT
    except NotLoadableError:
        known = False
    if not known:
        raise NotLoadableError(f"{name} is no trace of sedd", "Record one with --trace FILE.")
    version = fields.whole("version", least=-MOST)
    if version != VERSION:
        raise NotLoadableError(
            f"{name} is a trace of version {version}, and this sedd reads version {VERSION}",
            "Replay it with the sedd that made it, or record the run again.",
        )
    infills = "windows" in fields.record
    document, settings = fields.optional_text("document"), fields.inner("settings")
    gaps = _gaps(fields, document) if infills else ()
    return Header(
        checkpoint=fields.inner("checkpoint").text("name"),
        sampler=settings.text("sampler"),
        steps=settings.whole("steps", least=1),
        seed=fields.whole("seed", most=float("inf")),
        mask_id=fields.optional_whole("mask_id"),
        end_ids=_end_ids(fields),
        prompt=settings.optional_text("prompt") or "",
        suffix=settings.optional_text("suffix") or "",
        rows=_rows(fields),
        layouts=_windows(fields, gaps) if infills else (_layout(fields),),
        gaps=gaps,
        infills=infills,
        document=document,
        newline=_newline(fields),
    )


def _end_ids(fields: Fields) -> frozenset[int]:
    """The tokens that end a text; traces once named one of them alone."""
    if "end_ids" in fields.record:
        return frozenset(fields.wholes("end_ids"))
    end_id = fields.optional_whole("end_of_text_id")
    return frozenset() if end_id is None else frozenset([end_id])


def _newline(fields: Fields) -> str:
    newline = fields.optional_text("newline") or "\n"
    if newline not in ("\n", CRLF):
        fields.fail("'newline' is no line end")
    return newline


def _rows(fields: Fields) -> range:
    rows = fields.wholes("rows")
    if rows != tuple(range(rows[0], rows[0] + len(rows)) if rows else ()):
        fields.fail("'rows' do not follow each other")
    return range(rows[0], rows[0] + len(rows)) if rows else range(0)


def _layout(fields: Fields, gaps: tuple[int, ...] = (), tokens: tuple[int, ...] | None = None) -> CanvasLayout:
    length = fields.whole("length", least=1)
    free = tuple(sorted(fields.positions("free", length)))
    if tokens is not None and (len(tokens) != len(gaps) or sum(tokens) != len(free)):
        fields.fail("'free' has not as many positions as the gaps have tokens")
    leads, trails = (fields.positions(key, length) if key in fields.record else () for key in ("leads", "trails"))
    return CanvasLayout(length, fields.whole("steps"), free, gaps, frozenset(leads), frozenset(trails), tokens or ())


def _gaps(fields: Fields, document: str | None) -> tuple[RecordedGap, ...]:
    gaps, at = [], 0
    for item in fields.objects("gaps"):
        start = item.whole("start", least=at)
        at = item.whole("end", least=start, most=MOST if document is None else len(document))
        gaps.append(RecordedGap(start, at, item.whole("tokens")))
    return tuple(gaps)


def _windows(fields: Fields, gaps: Sequence[RecordedGap]) -> tuple[CanvasLayout, ...]:
    layouts, seen = [], 0
    for window in fields.objects("windows"):
        numbers = window.wholes("gaps")
        if numbers != tuple(range(seen, seen + len(numbers))) or not seen < seen + len(numbers) <= len(gaps):
            window.fail("'gaps' are not those that follow")
        layout = _layout(window, numbers, tuple(gaps[i].tokens for i in numbers))
        seen += len(numbers)
        layouts.append(layout)
    if seen != len(gaps):
        fields.fail("a gap is in no window")
    if not layouts and fields.get("rows"):
        fields.fail("rows, but no windows")
    return tuple(layouts)


def read_line(fields: Fields, header: Header, starts: Mapping[int, Start]) -> Start | StepLine | EditLine:
    """Parse any other line. `starts`: the rows begun. Raises `NotLoadableError` if a field is missing or invalid."""
    row = fields.whole("row")
    if row not in header.rows:
        fields.fail(f"row {row} is none of this trace")
    own = starts[row].layout if row in starts else _own_layout(fields, header.layout(row))
    length = (own or header.layout(row)).length
    if "step" in fields.record:
        return _step(fields, row, length, header.mask_id)
    ids, pieces = fields.tokens(length, header.mask_id)
    free = frozenset(fields.positions("free", length)) if "free" in fields.record else None
    if "edit" not in fields.record:
        return Start(row, ids, pieces, free, own)
    return EditLine(row, fields.text("edit"), ids, pieces, fields.fail("no 'free'") if free is None else free)


def _own_layout(fields: Fields, usual: CanvasLayout) -> CanvasLayout | None:
    """The layout of a row that has its own: of the same gaps, at other lengths."""
    if "window" not in fields.record:
        return None
    window = fields.inner("window")
    if window.wholes("gaps") != usual.gaps:
        window.fail("'gaps' are not those of the header")
    return _layout(window, usual.gaps, window.wholes("tokens"))


def _step(fields: Fields, row: int, length: int, mask_id: int | None) -> StepLine:
    positions = fields.positions("positions", length)
    count = len(positions)
    ids, pieces = fields.tokens(count, mask_id)
    return StepLine(
        row=row,
        step=fields.whole("step"),
        t=fields.number("t", 0, 1),
        nfe=fields.whole("nfe"),
        positions=positions,
        ids=ids,
        pieces=pieces,
        probability=fields.numbers("probability", count, -SLACK, 1 + SLACK),
        entropy=fields.numbers("entropy", count, -SLACK, MOST),
        remasked=fields.positions("remasked", length) if "remasked" in fields.record else (),
    )
