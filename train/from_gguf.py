"""A GGUF file of a causal language model as a folder that `sedd train TEXT --from FOLDER` reads, in float32.

    python train/from_gguf.py FILE.gguf FOLDER

Needs sedd-cli[eval]: transformers reads the file.
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def convert(file: Path, folder: Path) -> None:
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    # transformers does not save a network that it has read from GGUF.
    del read.config.quantization_config
    plain = AutoModelForCausalLM.from_config(read.config, dtype=torch.float32)
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Convert a GGUF file to a folder of transformers.")
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    convert(arguments.file, arguments.folder)
