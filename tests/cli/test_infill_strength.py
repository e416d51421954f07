"""`sedd infill --strength`: a text rewritten in part."""

import json
from pathlib import Path

import pytest

from sedd_cli import Checkpoint, infill
from tests.conftest import Sedd

STORY = "\ufeffOnce upon a time, there was a little dog.\r\nHe ran to the park\tand saw a cat. \r\nThey were happy."
QUICK = ("--steps", "4", "--seed", "7")

pytestmark = pytest.mark.usefixtures("shallow_by_default")


def test_a_draft_is_the_library_s_and_strength_0_the_document(sedd: Sedd, shallow: Checkpoint, tmp_path: Path) -> None:
    story, trace = tmp_path / "story.txt", tmp_path / "trace.jsonl"
    story.write_bytes(STORY.encode())
    asked = ("infill", str(story), "--mask", "3:40", *QUICK)
    options = ("--strength", "0.4", "--by", "unlikely", "-n", "2")
    drafts = {"strength": 0.4, "by": "unlikely", "num_samples": 2, "seed": 7, "steps": 4}
    best, other = infill(shallow, STORY, [(3, 40)], defaults="checkpoint", **drafts)  # type: ignore[arg-type]
    record = json.loads(sedd(*asked, *options, "--json", "--trace", str(trace)).stdout)
    assert [(c["text"], c["nats"]) for c in record["candidates"]] == [(f.text, f.nats) for f in (best, other)]
    assert (record["settings"]["strength"], record["settings"]["by"]) == (0.4, "unlikely")
    replayed = sedd("replay", str(trace), "--row", str(best.row))
    assert replayed.stdout.rstrip(b"\n") == best.text.encode()
    assert sedd(*asked, "--strength", "0").stdout == STORY.encode()
    assert sedd(*asked, "--strength", "0.5", "--in-place").code == 0 and story.read_bytes() != STORY.encode()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--strength", "0.5", "--tokens", "auto"), "strength 0.5 keeps tokens of the gap 3:9"),
        (("--strength", "2"), "strength must be a number from 0 to 1, not 2"),
        (("--strength", "0.5", "--by", "chance"), "'chance' is not one of 'random', 'unlikely'"),
    ],
)
def test_errors(sedd: Sedd, options: tuple[str, ...], message: str) -> None:
    result = sedd("infill", "-", "--mask", "3:9", *options, *QUICK, stdin=STORY.encode())
    assert result.code == 2 and message in result.stderr and not result.stdout
