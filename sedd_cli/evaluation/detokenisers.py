"""Detokenisers: prose from the tokenised text of the papers' data sets, one document at a time.

The rules, and their order, are those of `wt_detokenizer`, `ptb_detokenizer`, `lm1b_detokenizer` and
`lambada_detokenizer` in data.py of louaaron/Score-Entropy-Discrete-Diffusion (arXiv 2310.16834). ML-GSAI/RADD (data.py)
and kuleshov-group/mdlm (dataloader.py) have the same ones, so the papers' figures depend on their faults: these
are kept, each with a comment.
"""

import re
from collections.abc import Callable, Mapping

_PAIRS = (r"(\()([^)]*)(\))", r"(\[)([^]]*)(\])", r"({)([^}]*)(})", r'(")([^"]*)(")', r"(')([^']*)(')")


def wikitext(text: str) -> str:
    """WikiText: ` = A title = `, ` one , two @-@ three ( four ) . `."""
    # Meant for plurals (the boys ' toys); joins an opening quotation mark to a word that ends in s as well.
    text = text.replace("s '", "s'")
    # A substitution in Perl's notation, slashes included: it matches hardly anything, and inserts its own pattern.
    text = re.sub("/' [0-9]/", "/'[0-9]/", text)
    for sign in "-,.":
        text = text.replace(f" @{sign}@ ", sign)
    for mark in ":;.!?,":
        # The space after a mark is needed, and used up: of two marks in a row that are the same, one stays as it is.
        text = text.replace(f" {mark} ", f"{mark} ")
    for pair in _PAIRS:
        # The first opening sign and the next closing one, nested or not; apostrophes pass for quotation marks.
        text = re.sub(pair, lambda found: found[1] + found[2].strip() + found[3], text)
    for signs in ("= = = =", "= = =", "= ="):
        text = text.replace(signs, signs.replace(" ", ""))
    text = text.replace(" ° ", "°").replace(" \n", "\n").replace("\n ", "\n")
    # " N " is a number in PTB; here it is the letter, or north.
    return text.replace(" N ", " 1 ").replace(" 's", "'s")


def ptb(text: str) -> str:
    r"""Penn Treebank: lower case without punctuation, numbers `N`, rare words `<unk>`, slashes `\/`.

    Numbers become 1 and rare words a question mark; `N` at either end of a sentence stays.
    """
    text = text.replace(" 's", "'s").replace("s ' ", "s' ").replace(" n't", "n't")
    text = text.replace(" \n ", "\n").replace("\\/", "/")
    # Neighbours share a space, so that one pass finds every other number; two find all (the original makes ten).
    text = text.replace(" N ", " 1 ").replace(" N ", " 1 ")
    return text.replace("$ 1", "$1").replace("# 1", "#1").replace("<unk>", "?")


def lm1b(text: str) -> str:
    """One Billion Words: `He said , " it 's $ 5 . "`. `$` here is the end, or the newline that is last."""
    text = text.replace("http : / / ", "http://").replace("https : / / ", "https://")
    text = re.sub(r" '(?=\w)", "'", text)
    # A full stop is joined to a word between spaces only: not to a bracket, nor to the next word after such a match.
    text = re.sub(r"( \w+) \. ", r"\1. ", text)
    text = re.sub(r"( \w+) \.$", r"\1.", text)
    for mark in "?!":
        text = re.sub(rf" \{mark}$", mark, text.replace(f" {mark} ", f"{mark} "))
    for mark in ",:;":
        # A mark at the end, or before another that has lost its space, stays apart.
        text = text.replace(f" {mark} ", f"{mark} ")
    text = text.replace(" / ", "/")
    # Inner spaces are removed only where there is one on both sides; apostrophes pass for quotation marks.
    text = re.sub(r'" ([^"]+) "', r'"\1"', text)
    text = re.sub(r"' ([^']+) '", r"'\1'", text)
    text = re.sub(r"\( ([^()]+) \)", r"(\1)", text)
    text = re.sub(r"\[ ([^][]+) \]", r"[\1]", text)
    return text.replace("$ ", "$").replace("£ ", "£")


def lambada(text: str) -> str:
    """LAMBADA as OpenAI prepared it: straight quotation marks, and a newline before each passage, as for GPT-2."""
    return "\n" + text.replace("“", '"').replace("”", '"').strip()


DETOKENISERS: Mapping[str, Callable[[str], str]] = {"wikitext": wikitext, "ptb": ptb, "lm1b": lm1b, "lambada": lambada}
"""By the format of the data set."""
