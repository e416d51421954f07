"""Public checkpoints at their real sizes, downloaded from a hub on loopback by their names: they load, write and fill.

What is not real is what the weights have learnt. LLaDA and Dream have two of their layers.
"""

import json
import shutil
import subprocess
import sys
from math import prod
from pathlib import Path

import pytest

from tests import hub as loopback
from tests.hub import Hub, Mapped
from tests.models.real_sizes import PUBLIC, tokenizer_table

DOCUMENT = "def add(a, b):\n    return a + b  # the sum\n"
USE = """
import json, pathlib, re, sys, time
import torch, sedd_cli.models.checkpoint
from sedd_cli import Gap, generate, infill, load_checkpoint
# Not getrusage: there a process begins with the peak of the one that started it.
def peak(): return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
before, started = peak(), time.monotonic()
ckpt = load_checkpoint(sys.argv[1])
told = {"peak": peak() - before, "seconds": time.monotonic() - started}
told["stays"] = sum(t.nbytes for t in [*ckpt.model.parameters(), *ckpt.model.buffers()])
told |= {"parameters": ckpt.parameters, "states": ckpt.process.states, "mask": ckpt.mask_id, "length": ckpt.length}
told |= {"leading": ckpt.config.model.leading_id, "tokenizer": ckpt.tokenizer.size, "name": ckpt.name}
(sample,) = generate(ckpt, prompt="def add", length=24, steps=2, seed=0)
told |= {"text": sample.text, "ids": sample.ids.tolist()}
(filling,) = infill(ckpt, sys.argv[2], [Gap(8, 12, tokens=4)], steps=2, seed=0)
told |= {"filled": filling.text, "all": time.monotonic() - started}
print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_checkpoint_of_its_real_size(name: str, hub: Hub, tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 10e9:
        pytest.skip("needs 10 GB of disk")
    public = PUBLIC[name]()
    public.save(tmp_path / "repository")
    hub.add(name, {file.name: Mapped.open(file) for file in (tmp_path / "repository").iterdir()})
    hub.blobs()  # hashed now: a client waits for an answer, but not for that
    if not public.words:
        table = tokenizer_table(50256)
        table["added_tokens"] = [{"id": 50256, "content": "<|endoftext|>", "special": True}]
        table["added_tokens"][0] |= dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        hub.add("gpt2", {"tokenizer.json": json.dumps(table).encode()})
    environment = loopback.environment(hub, tmp_path / "home")
    subprocess.run([sys.executable, "-m", "sedd_cli", "download", name, "-q"], env=environment, check=True)
    command = [sys.executable, "-c", USE, name, DOCUMENT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(f"{name}: {told['parameters'] / 1e6:.0f}M, {told['seconds']:.1f} s, {told['peak'] / told['stays']:.2f} times")
    rows = public.shapes[next(n for n in public.shapes if "emb" in n or "wte" in n)][0]
    assert told["name"] == name and told["mask"] == public.mask
    assert 0.99 * rows < told["states"] == max(told["tokenizer"], public.mask + 1) <= rows
    assert told["leading"] == (151643 if name.startswith(("Dream", "fredzzp")) else None)
    stored = sum(map(prod, public.shapes.values()))
    assert 0.95 * stored < told["parameters"] <= stored  # without rows that no text leads to, and MDLM's time
    # Beside what stays: the largest tensor as it is stored, and the tokenizer.
    assert told["peak"] <= told["stays"] + 2 * max(map(prod, public.shapes.values())) + 250e6
    assert told["text"].startswith("def add") and public.mask not in told["ids"]
    assert told["filled"].startswith(DOCUMENT[:8]) and told["filled"].endswith(DOCUMENT[12:])
