"""Exports of recorded runs: a picture, a page, a cast. What they show is what was recorded, and they fetch nothing."""

import html
import io
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from sedd_cli import Checkpoint, Request, Run, SeddError, UsageError
from sedd_cli.generation.recording import RecordedSample, parse
from sedd_cli.render import palette
from sedd_cli.render.export import EXPORT_FORMATS, ExportFormat, export
from sedd_cli.render.inert import inert
from sedd_cli.render.live import FILLED, LiveView, canvas_text, height_of
from sedd_cli.render.page import DARK, LIGHT
from sedd_cli.render.palette import Rgb
from sedd_cli.render.picture import NO_XML
from sedd_cli.render.replay import default_speed, make_frame, piece_texts, title_of
from tests.generation.test_recording import damage
from tests.traces import held, record, two_windows

HOSTILE = "a</script><!-- [/red] \x1b]0;x\x07 @font-face{x} {{data}} \u2028 &lt; <img src=//x.invalid/> 🌍 \u202e\uffff"


@pytest.fixture(scope="module")
def edited(built_in: Checkpoint) -> RecordedSample:
    return parse(held(built_in).trace()).sample()


@pytest.fixture(scope="module")
def windows(built_in: Checkpoint) -> RecordedSample:
    return parse(record(two_windows(built_in, num_samples=2))[0]).sample(1)


def test_in_a_document_what_is_written_stands_out_and_on_a_canvas_what_is_kept(
    edited: RecordedSample, windows: RecordedSample
) -> None:
    for sample, new, kept in ((windows, FILLED, ""), (edited, "", "bold")):
        frame = replace(make_frame(sample, sample.at(sample.last)), changed=frozenset())
        text = canvas_text(frame)
        for style, kept_there in ((new, False), (kept, True)):
            shown = "".join(text.plain[s.start : s.end] for s in text.spans if s.style == style)
            pieces = [frame.pieces[i] or "" for i in range(frame.end) if (i in frame.kept) == kept_there]
            assert not style or shown == inert("".join(piece.lstrip(" ") for piece in pieces))
    pages = [export(sample, "html").decode() for sample in (windows, edited)]
    assert [dict(Page(page).tags)["body"]["class"] for page in pages] == ["still infills", "still"]


@pytest.fixture(scope="module")
def hostile(built_in: Checkpoint) -> RecordedSample:
    """A prompt, a checkpoint's name and an edit that would like to be more than text."""
    sample = parse(record(Run(built_in, Request(length=96, steps=8, seed=1, prompt=HOSTILE)))[0]).sample()
    return replace(sample, header=replace(sample.header, checkpoint=HOSTILE))


@pytest.fixture(params=["edited", "windows", "hostile"])
def sample(request: pytest.FixtureRequest) -> RecordedSample:
    found: RecordedSample = request.getfixturevalue(request.param)
    return found


def rendered(sample: RecordedSample, number: int, width: int, height: int) -> list[str]:
    """What the live view shows of a moment, line by line."""
    view = LiveView(title_of(sample.header), sample.calls, True, clock=None)
    view.show(make_frame(sample, sample.at(number)))
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(view, height=height)
    return [line.rstrip() for line in console.file.getvalue().removesuffix("\n").split("\n")]  # type: ignore[attr-defined]


def test_svg_is_the_live_view_and_fetches_nothing(sample: RecordedSample) -> None:
    for step in (0, 3, None):
        svg = export(sample, "svg", step=step, width=60).decode()
        tree = ElementTree.fromstring(svg)
        rows: dict[str, str] = {}
        for text in tree.iter("{http://www.w3.org/2000/svg}text"):
            if "clip-path" in text.attrib:
                rows[text.attrib["y"]] = rows.get(text.attrib["y"], "") + (text.text or "").strip("\n")
        number = sample.last if step is None else step
        height = height_of(make_frame(sample, sample.at(number)), 60)
        expected = [line.translate(NO_XML).replace(" ", "") for line in rendered(sample, number, 60, height)]
        assert [row.replace("\xa0", "") for row in rows.values()][:-2] == expected[:-2]
        head, _, rest = svg.partition("</style>")
        assert "font-face" not in head and "http" not in head.replace("http://www.w3.org/2000/svg", "").replace(
            "https://www.textualize.io", ""
        )
        assert not re.search(r"(?:href|src)\s*=|url\((?!#)|@import", re.sub(r">[^<]*<", "><", rest))
        assert "\x1b" not in svg and "\ufffd" not in svg


class Screen:
    """As much of a terminal as the casts use: anything else is refused."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.lines, self.row, self.hidden = width, [""] * height, 0, False

    def feed(self, data: str) -> None:
        for code, text in re.findall(r"(\x1b\[[?0-9;]*[a-zA-Z])|([^\x1b]+)", data):
            if code in ("\x1b[?25l", "\x1b[?25h"):
                self.hidden = code.endswith("l")
            elif code == "\x1b[2J":
                self.lines = [""] * len(self.lines)
            elif code == "\x1b[2K":
                self.lines[self.row] = ""
            elif found := re.fullmatch(r"\x1b\[(\d+);1H", code):
                self.row = int(found[1]) - 1
                assert 0 <= self.row < len(self.lines)
            elif code:
                assert re.fullmatch(r"\x1b\[[0-9;]*m", code), code
            else:
                assert text.isprintable() or "\u2028" in text or "\uffff" in text or "\t" in text, text
                self.lines[self.row] += text
        assert re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", data).count("\x1b") == 0


def test_cast_is_asciicast_2_and_plays_the_live_view(sample: RecordedSample) -> None:
    data = export(sample, "cast", width=72)
    header, *events = [json.loads(line) for line in data.decode().split("\n")[:-1]]
    assert list(header) == ["version", "width", "height", "title"]
    assert (header["version"], header["width"]) == (2, 72) and isinstance(header["height"], int)
    assert len(events) == sample.last + 2
    screen, before = Screen(72, header["height"]), 0.0
    for number, event in enumerate(events):
        time, kind, sent = event
        assert isinstance(time, float | int) and time >= before and kind == "o" and isinstance(sent, str)
        before = time
        screen.feed(sent)
        if number <= sample.last:
            assert time == pytest.approx(number / default_speed(sample), abs=1e-5) and screen.hidden
            expected = rendered(sample, number, 72, header["height"])
            mine = [line.rstrip() for line in screen.lines]
            assert mine[:-2] == expected[:-2]
            assert mine[-1].startswith(expected[-1]) or "…" in mine[-1]
    assert not screen.hidden
    assert json.loads(export(sample, "cast", speed=4).splitlines()[2])[0] == 0.25


class Page(HTMLParser):
    """Elements, and what the scripts and the style hold."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[str] = []
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        self.text[inside] = self.text.get(inside, "") + data
        if inside == "script":
            self.raw.append(data)


def test_page_is_well_formed_and_asks_for_nothing(sample: RecordedSample) -> None:
    text = export(sample, "html").decode()
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 2 and "img" not in dict(page.tags)
    for tag, attributes in page.tags:
        assert not {"src", "href", "srcset", "data", "action", "poster", "background"} & set(attributes), tag
        assert not any(name.startswith("on") for name in attributes)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy and policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'")
    assert not re.search(r"url\(|@import", page.text["style"])
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|WebSocket|innerHTML", page.raw[1])
    assert "\x1b" not in text and "\ufffd" not in text and "\u2028" not in page.raw[0] and "\u202e" not in text
    assert inert(sample.text(sample.at(sample.last))) in page.text["div"]
    assert "prefers-color-scheme: dark" in page.text["style"]


@pytest.mark.parametrize("paper", [LIGHT, DARK])
def test_page_keeps_words_readable_while_they_glow(sample: RecordedSample, paper: Rgb) -> None:
    """As its style mixes them: the ink up to halfway to black or white, what is behind up to the share of the step."""
    style = Page(export(sample, "html").decode()).text["style"]
    pole, behind = palette.oklab((255, 255, 255) if paper == DARK else (0, 0, 0)), palette.oklab(paper)
    for name in palette.SCALES:
        for k, color in enumerate(palette.scale(name, paper)):
            most = float(f"{palette.brightest(color, paper):.2f}")
            assert f"--{name[0]}{k}: #{bytes(color).hex()}; --{name[0]}{k}m: {most:.0%};" in style
            for glow in (0.0, *palette.GLOW):
                ink = palette.srgb(palette._between(palette.oklab(color), pole, 0.5 * glow))
                ground = palette.srgb(palette._between(behind, palette.oklab(color), most * glow))
                assert palette.contrast(ink, ground) >= palette.TEXT_CONTRAST


def test_page_says_what_changed_and_no_more(sample: RecordedSample) -> None:
    text = export(sample, "html", step=2, speed=3.5).decode()
    data = json.loads(Page(text).raw[0])
    assert (data["opens"], data["speed"], len(data["moments"])) == (2, 3.5, sample.last)
    canvases = data["canvases"]
    for moment in sample.moments():
        if moment.number:
            change = data["moments"][moment.number - 1]
            canvas = canvases[change["c"]]
            for i, piece in [*zip(change["w"], change["x"], strict=True), *change.get("d", [])]:
                canvas["cells"][i] = piece
            canvas["kept"] = change.get("k", canvas["kept"])
            canvas["end"] = change.get("z", canvas["end"])
            for i, p in zip(change["w"], change.get("p", []), strict=False):
                assert p == pytest.approx(moment.canvas.tokens[i].probability, rel=0.01)
        for canvas, recorded in zip(canvases, moment.canvases, strict=True):
            assert canvas["cells"] == [None if s is None else inert(s) for s in piece_texts(sample, recorded)]
            assert set(canvas["kept"]) == set(range(len(recorded.tokens))) - recorded.free
    written = sum(len(change["w"]) + len(change.get("d", [])) for change in data["moments"])
    assert len(Page(text).raw[0]) < 1500 + 100 * sample.last + 60 * written + 40 * sum(
        len(c["cells"]) for c in canvases
    )


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium")
    return found


def dom(path: Path, fragment: str = "", budget: int = 2000) -> str:
    """The page as Chromium has it after some time."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path.parent}/profile"]
    url = path.as_uri() + fragment
    command = [chromium(), *options, f"--virtual-time-budget={budget}", "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


def canvases_in(text: str) -> list[list[tuple[str, str]]]:
    """Classes and words of every position, canvas by canvas."""
    main = re.search(r"<main.*?</main>", text, re.DOTALL)
    assert main
    span = re.compile(r'<span(?: class="([^"]*)")?[^>]*>([^<]*)<i>([^<]*)</i></span>')
    boxes = re.findall(r'<div class="canvas">(.*?)</div>', main[0], re.DOTALL)
    return [[(c, html.unescape(a + b)) for c, a, b in span.findall(box)] for box in boxes]


def figures_in(text: str) -> str:
    found = re.search(r'<div id="figures">(.*?)</div>', text)
    assert found
    return found[1]


@pytest.mark.slow
def test_chromium_shows_every_position(sample: RecordedSample, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_bytes(export(sample, "html"))
    for step in (0, 4, sample.last):
        moment = sample.at(step)
        text = dom(path, f"#step={step}")
        assert figures_in(text).startswith(f"{step} of {sample.last}")
        boxes = canvases_in(text)
        assert len(boxes) == len(moment.canvases)
        for c, (box, canvas) in enumerate(zip(boxes, moment.canvases, strict=True)):
            words = [" ···" if s is None else inert(s) for s in piece_texts(sample, canvas)]
            assert [word for _, word in box] == words
            for i, (names, _) in enumerate(box):
                assert ("mask" in names.split()) == (canvas.tokens[i].piece is None)
                assert ("kept" in names.split()) == (i not in canvas.free)
                new = (
                    c == moment.on
                    and i in moment.changed
                    and i in canvas.free
                    and i < sample.end_of_text_position(canvas)
                )
                assert ("g0" in names.split()) == (new and step < sample.last)


@pytest.mark.slow
def test_chromium_plays_to_the_end_by_itself(edited: RecordedSample, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_bytes(export(edited, "html"))
    text = dom(path, budget=20_000)
    assert figures_in(text).startswith(f"{edited.last} of {edited.last}") and ">Play</button>" in text
    path.write_bytes(export(edited, "html", step=3))
    assert figures_in(dom(path, budget=20_000)).startswith(f"3 of {edited.last}")


DRIVE = """<script>
const seen = [], look = () => seen.push(document.getElementById("figures").textContent.split(" ")[0]);
const press = (key) => { document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); look(); };
look();
press("ArrowRight"); press("ArrowRight"); press("ArrowLeft"); press("End"); press("ArrowRight"); press("Home");
range.value = 5; range.dispatchEvent(new Event("input")); look();
press("h"); seen.push(document.body.dataset.shading);
main.querySelectorAll("span")[1].firstChild.nextSibling.dispatchEvent(new Event("pointerover", { bubbles: true }));
seen.push(token.textContent.split(" ")[1], location.hash, play.textContent);
press(" "); seen.push(play.textContent); press(" "); seen.push(play.textContent);
location.hash = "#step=7";
setTimeout(() => {
  look();
  seen.push(performance.getEntriesByType("resource").length);
  document.title = JSON.stringify(seen);
}, 200);
</script></body>"""


@pytest.mark.slow
def test_chromium_scrubs_by_key_slider_and_address(edited: RecordedSample, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_text(export(edited, "html").decode().replace("</body>", DRIVE))
    text = dom(path, "#step=2")
    found = re.search(r"<title>(.*?)</title>", text)
    assert found
    last = str(edited.last)
    moved = ["2", "3", "4", "3", last, last, "0", "5"]
    rest = ["5", "order", "1", "#step=5", "Play", "5", "Pause", "5", "Play", "7", 0]
    assert json.loads(html.unescape(found[1])) == [*moved, *rest]


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback, and who asked it for what."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()


@pytest.mark.slow
def test_chromium_fetches_nothing_even_for_a_text_that_asks(
    built_in: Checkpoint, server: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = server
    prompt = f"<img src={address}/a></script><script src='{address}/b'></script><link href={address}/c rel=stylesheet>"
    sample = parse(record(Run(built_in, Request(length=160, steps=4, seed=1, prompt=prompt)))[0]).sample()
    path = tmp_path / "run.html"
    whole = export(sample, "html").decode()
    path.write_text(whole)
    (box,) = canvases_in(dom(path, "#step=1"))
    assert "".join(word for _, word in box).startswith(prompt)
    assert asked == []
    # The policy holds even where the escaping would not; without it the server is asked.
    path.write_text(whole.replace("</body>", f"<img src={address}/d></body>"))
    dom(path)
    assert asked == []
    path.write_text(f"<img src={address}/e>")
    dom(path)
    assert asked == ["/e"]


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        ("svg", {"speed": 3}, "a picture has no speed"),
        ("cast", {"step": 1}, "a cast shows every step"),
        ("html", {"speed": 0}, "the speed must be"),
        ("html", {"speed": float("nan")}, "the speed must be"),
        ("html", {"step": 900}, "there is no step 900"),
        ("svg", {"step": -1}, "there is no step -1"),
        ("svg", {"width": 3}, "the width must be 20 to 500"),
    ],
)
def test_what_cannot_be_asked_for(edited: RecordedSample, format: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export(edited, format, **options)  # type: ignore[arg-type]


def test_damage_gives_an_error_or_a_file(built_in: Checkpoint) -> None:
    document = b"".join(record(two_windows(built_in))[0])
    branch = b"".join(held(built_in).trace())

    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from([document, branch]), st.sampled_from(EXPORT_FORMATS), st.data())
    def damaged(whole: bytes, format: ExportFormat, data: st.DataObject) -> None:
        try:
            made = export(parse(damage(whole, data).splitlines(keepends=True)).sample(), format).decode()
        except SeddError:
            return
        if format == "svg":
            ElementTree.fromstring(made)
        elif format == "html":
            json.loads(Page(made).raw[0])
        else:
            assert [json.loads(line) for line in made.split("\n")[:-1]]

    damaged()


def test_a_fast_cast_leaves_out_what_nobody_could_see(edited: RecordedSample) -> None:
    lines = export(edited, "cast", speed=300).decode().split("\n")[1:-1]
    times = [json.loads(line)[0] for line in lines]
    assert len(times) < edited.last and times[-2] == pytest.approx(edited.last / 300, abs=1e-5)


def test_the_same_trace_gives_the_same_file(edited: RecordedSample) -> None:
    assert [export(edited, format) for format in EXPORT_FORMATS] == [
        export(edited, format) for format in EXPORT_FORMATS
    ]
