"""Each rule of each detokeniser, its faults among them, on lines made up for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedd_cli.evaluation.detokenisers import DETOKENISERS, lambada, lm1b, ptb, wikitext


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Numbers and compounds, in that order before the marks.
        (
            " A well @-@ lit hall of 2 @,@ 000 seats , 4 @.@ 5 m high . \n",
            " A well-lit hall of 2,000 seats, 4.5 m high.\n",
        ),
        (" Three : red ; green ! Blue ? Grey . White , \n", " Three: red; green! Blue? Grey. White,\n"),
        # Two of a kind share a space; two of different kinds do not.
        ("so . . . and so ; , on", "so. .. and so;, on"),
        ("here .", "here ."),
        # Within brackets and quotation marks.
        ("a ( b ) [ c ] { d } ( \t\u2003e )", "a (b) [c] {d} (e)"),
        ('She said " yes , no " and ( ) "  "', 'She said "yes, no" and () ""'),
        ("the ' old ' mill", "the 'old' mill"),
        # Brackets within brackets: the first opening, the next closing one.
        ("( a ( b ) c )", "(a ( b) c )"),
        # An apostrophe opens, the next closes; one after an s loses the space before it, and may lose that after it.
        ("the cat 's and dog 's tails", "the cat's and dog's tails"),
        ("the dogs ' bowls", "the dogs' bowls"),
        ("the dogs ' bowls and cats ' beds", "the dogs'bowls and cats' beds"),
        ("she says ' yes '", "she says'yes'"),
        # Headings.
        (" = Mills = \n", " = Mills =\n"),
        (" = = Wind = = \n", " == Wind ==\n"),
        (" = = = Sails = = = \n", " === Sails ===\n"),
        (" = = = = Cloth = = = = \n", " ==== Cloth ====\n"),
        # The rest.
        ("at 52 ° N , 4 ° E", "at 52°N, 4°E"),
        ("one \n two", "one\ntwo"),
        ("winds from N to N W", "winds from 1 to 1 W"),
        # Perl's slashes: the replacement is text.
        ("in /' 7/", "in /'[0-9]/"),
        ("in ' 7", "in ' 7"),
        ("", ""),
    ],
)
def test_wikitext(before: str, after: str) -> None:
    assert wikitext(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("the mill 's owner does n't sell", "the mill's owner doesn't sell"),
        ("the owners ' mills", "the owners' mills"),
        ("one \n two", "one\ntwo"),
        ("wheat and\\/or rye", "wheat and/or rye"),
        ("from N to N or N N N days", "from 1 to 1 or 1 1 1 days"),
        ("it paid $ N a ton for # N flour", "it paid $1 a ton for #1 flour"),
        ("a # N N\\/N rate", "a #1 N/N rate"),
        ("<unk> sold the <unk> mill", "? sold the ? mill"),
        # A number is between spaces: not at either end.
        ("N mills closed in N", "N mills closed in N"),
        ("$ N", "$ N"),
        ("", ""),
    ],
)
def test_ptb(before: str, after: str) -> None:
    assert ptb(before) == after


@given(st.integers(0, 40))
def test_ptb_finds_every_number_of_a_row_of_them(count: int) -> None:
    assert ptb("a" + " N" * count + " b") == "a" + " 1" * count + " b"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("See http : / / a and https : / / b now", "See http://a and https://b now"),
        ("The mill 's sails aren 't up", "The mill's sails aren't up"),
        ("It turned . It stopped .", "It turned. It stopped."),
        ("It turned .\n", "It turned.\n"),
        # The word before a full stop is between spaces, and no space serves twice.
        ("Stop . Now", "Stop . Now"),
        ("the end ) .", "the end ) ."),
        ("go a . b . c . d", "go a. b . c. d"),
        ("Did it ? Yes ! Did it ?", "Did it? Yes! Did it?"),
        ("It did !", "It did!"),
        ("Wheat , rye : oats ; more", "Wheat, rye: oats; more"),
        ("at 9 : 30 ,", "at 9: 30 ,"),
        ("and / or", "and/or"),
        ('" We mill , " he said', '"We mill," he said'),
        ("the ' old ' mill", "the 'old' mill"),
        ("the millers ' mill and bakers ' bread", "the millers 'mill and bakers' bread"),
        ("Mills ( all of wood ) [ and stone ]", "Mills (all of wood) [and stone]"),
        ("( a ( b ) c )", "( a (b) c )"),
        ('"tight"', '"tight"'),
        ('" loose"', '" loose"'),
        ('" "', '" "'),
        ("It cost $ 5 or £ 4", "It cost $5 or £4"),
        ("", ""),
    ],
)
def test_lm1b(before: str, after: str) -> None:
    assert lm1b(before) == after


def test_lambada() -> None:
    assert lambada(" \n“Mill,” he said. ‘It’s old.’ \n") == '\n"Mill," he said. ‘It’s old.’'
    assert lambada("") == "\n"


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(" '\"()[]{}.,:;!?=°\nNs/$£#@"), max_size=60))
def test_any_text_has_its_form_and_nothing_is_made_up(text: str) -> None:
    # The newline of LAMBADA, the 1 and ? of numbers and rare words, a rule's own right-hand side, straight quotes.
    for detokenise in DETOKENISERS.values():
        assert set(detokenise(text)) <= set(text) | set("\n1?'[0-9]/\"")


WORD = st.text(st.sampled_from("abcdefgéßж"), min_size=1, max_size=6)


@given(st.lists(st.tuples(WORD, st.sampled_from(["", "", ",", ";", ":", ".", "?", "!", "'t"])), max_size=12))
def test_prose_is_left_as_it_is(words: list[tuple[str, str]]) -> None:
    prose = " ".join(word + mark for word, mark in words)
    assert {detokenise(prose).removeprefix("\n") for detokenise in DETOKENISERS.values()} == {prose}
