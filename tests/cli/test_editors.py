"""What docs/editors.md says to put into an editor does what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sedd_cli import Checkpoint
from tests.conftest import Sedd

PAGE = (Path(__file__).parents[2] / "docs" / "editors.md").read_text(encoding="utf-8")
DOCUMENT = "Été 🌍: he went out.\nOnce upon a time there was a dog.\nThey saw [[2]] there.\nThe end.\n"

pytestmark = pytest.mark.usefixtures("shallow_by_default")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("vim") is None, reason="needs vim")
def test_vim(shallow: Checkpoint, tmp_path: Path) -> None:
    document, sedd = tmp_path / "story.txt", tmp_path / "bin" / "sedd"
    sedd.parent.mkdir()
    sedd.write_text(f'#!/bin/sh\nexec {sys.executable} -m sedd_cli "$@"\n')
    sedd.chmod(0o755)
    script, line_filter = blocks("vim")
    (tmp_path / "vimrc").write_text(f"set nocompatible encoding=utf-8\n{script}")
    environment = {**os.environ, "PATH": f"{sedd.parent}:{os.environ['PATH']}", "SEDD_MODEL": str(shallow.folder)}

    def after(*commands: str) -> list[str]:
        document.write_text(DOCUMENT)
        each = [argument for command in (*commands, "write!", "quit!") for argument in ("-c", command)]
        vim = ["vim", "-e", "-s", "-u", str(tmp_path / "vimrc"), *each, str(document)]
        # Its exit code says whether there was a message of an error.
        subprocess.run(vim, env=environment, stdin=subprocess.DEVNULL, check="none" not in commands[-1], timeout=100)
        return document.read_text().splitlines()

    before = DOCUMENT.splitlines()
    options = "call SeddInfill('--steps 4 --seed 7 --tokens 3')"
    words = after(r'execute "normal! 1G03wve\<Esc>"', options)
    assert words[0].startswith("Été 🌍: ") and words[0].endswith(" went out.") and words[0] != before[0]
    assert words[1:] == before[1:]
    lines = after(r'execute "normal! 2GVj\<Esc>"', options)
    assert (lines[0], lines[-1]) == (before[0], before[-1]) and lines[1:-1] != before[1:-1]
    assert after(r'execute "normal! 2GVj\<Esc>"', "call SeddInfill('--tokens none')") == before
    filtered = after("2,3" + line_filter.strip().removeprefix(":'<,'>"))
    assert filtered[2].startswith("They saw ") and "[[2]]" not in filtered[2]
    assert filtered[:2] + filtered[3:] == before[:2] + before[3:]


def test_vs_code_tasks(sedd: Sedd, tmp_path: Path) -> None:
    (page,) = blocks("json")
    markers, line = json.loads(page)["tasks"]
    document = tmp_path / "story.txt"
    for task, changed in ((markers, 2), (line, 1)):
        document.write_text(DOCUMENT)
        arguments = [part if isinstance(part, str) else part["value"] for part in task["args"]]
        arguments = [part.replace("${file}", str(document)).replace("${lineNumber}", "2") for part in arguments]
        # As a shell does it.
        arguments = [re.sub(r"\$\(\((\d+) - 1\)\)", lambda match: str(int(match[1]) - 1), part) for part in arguments]
        result = sedd(*arguments, "--steps", "4", "--seed", "7")
        assert result.code == 0, result.stderr
        pairs = zip(document.read_text().splitlines(), DOCUMENT.splitlines(), strict=True)
        assert [number for number, (ours, theirs) in enumerate(pairs) if ours != theirs] == [changed]
