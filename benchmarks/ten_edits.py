"""Ten edits of a page of prose and ten of a Python file: what does `sedd infill` write there?

    python benchmarks/ten_edits.py [-m CHECKPOINT] [--only prose|code] [--seed 1]

Each edit begins with the file as it is (`benchmarks/ten_edits/`). Prints three candidates of each, best first, as the
session shows them with the same seed; of Python, whether the file still parses. What is useful is for people to judge:
docs/infilling.md has a judgement.
"""

import argparse
import ast
import json
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent / "ten_edits"
PROSE = {
    "another adjective": ["infill", "--regex", "very strong"],
    "a comparison": ["infill", "--regex", "a little red bird", "--tokens", "auto"],
    "a new sentence": ["infill", "--regex", r"(?<=up the hill\.)", "--tokens", "12"],
    "a sentence anew": ["infill", "--regex", r"Grandpa was sitting in his chair with a cup of tea\."],
    "a draft of a paragraph": [
        *("infill", "--regex", r"Then the string.*cry\."),
        *("--strength", "0.3", "--by", "unlikely"),
    ],
    "three typing mistakes": ["proof", "--length", "128"],
    "unsure words": ["infill", "--regex", r"them(?=\. The farmer)|ladder"],
    "a word before a noun": ["infill", "--regex", r"(?<=hand\. The)", "--tokens", "auto"],
    "another last sentence": ["infill", "--regex", r"From that day.*hands\.", "--tokens", "5-20"],
    "write on": ["infill", "--regex", r"(?<=both hands\.)", "--tokens", "24"],
}
CODE = {
    "docstring of a class": ["infill", "--regex", "Something that can be bought"],
    "docstring of a method": ["infill", "--regex", "Remove all items of a name", "--tokens", "auto"],
    "a default value": ["infill", "--regex", "(?<=count: int = )1"],
    "what a method returns": ["infill", "--regex", r"self\.price \* self\.count", "--tokens", "auto"],
    "a condition": ["infill", "--regex", r"other\.name == item\.name"],
    "the filter of a list": ["infill", "--regex", r"if item\.name != name", "--tokens", "2-8"],
    "a sum": ["infill", "--regex", r"sum\(item\.total\(\) for item in self\.items\)", "--tokens", "auto"],
    "the end of a comment": ["infill", "--regex", "last customer", "--tokens", "auto"],
    "a draft of a body": [
        *("infill", "--regex", r"data = json.*\n.*data\]\)"),
        *("--strength", "0.3", "--by", "unlikely"),
    ],
    "a new line": ["infill", "--regex", r"(?<=self\.items\.append\(item\)\n)", "--tokens", "12"],
}
TYPING = {"slipped": "sliped", "ladder": "lader", "sister": "sitser"}
"""Mistakes of the edit that proofreads."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-m", "--model")
    parser.add_argument("--only", choices=("prose", "code"))
    parser.add_argument("--seed", default="1")
    asked = parser.parse_args()
    for kind, name, edits in (("prose", "kite.txt", PROSE), ("code", "shop.py", CODE)):
        if asked.only in (None, kind):
            for edit, command in edits.items():
                started = time.monotonic()
                lines = list(outcome(FOLDER / name, command, asked.model, asked.seed))
                print(f"{kind}: {edit} ({time.monotonic() - started:.0f} s)", *lines, sep="\n  ", flush=True)


def outcome(path: Path, command: list[str], model: str | None, seed: str) -> list[str]:
    """What an edit of a file comes to, a line for each candidate or finding."""
    text = path.read_text(encoding="utf-8")
    options = ["--json", "-q", *(["-m", model] if model else [])]
    if command[0] == "infill":
        options += ["-n", "3", "--seed", seed]
    else:
        for right, wrong in TYPING.items():
            text = text.replace(right, wrong)
    call = [sys.executable, "-m", "sedd_cli", command[0], "-", *command[1:], *options]
    run = subprocess.run(call, input=text, capture_output=True, text=True, encoding="utf-8", check=True)
    found = json.loads(run.stdout)
    if command[0] == "proof":
        return [f"{f['word']!r}: {f['suggestion']!r}" for f in found["findings"]]
    return [described(c["text"], c["spans"], path.suffix == ".py") for c in found["candidates"]]


def described(text: str, spans: list[tuple[int, int]], is_python: bool) -> str:
    """What was written, and of Python whether the file parses."""
    written = " | ".join(repr(text[start:end]) for start, end in spans)
    if not is_python:
        return written
    try:
        ast.parse(text)
    except SyntaxError:
        return f"{written} (does not parse)"
    return f"{written} (parses)"


if __name__ == "__main__":
    main()
