"""Whatever a body holds, it is read, or refused by an error of ours."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from sedd_cli.serve.api_error import ApiError
from sedd_cli.serve.bodies import IGNORED, NEUTRAL, OPTION_OF_EDIT_KEY, ChatBody, CompletionBody, EditBody, InfillBody
from sedd_cli.serve.ends import up_to_dedent, up_to_stop

MODELS = (CompletionBody, ChatBody, EditBody, InfillBody)
KEYS = sorted({*IGNORED, *NEUTRAL, *OPTION_OF_EDIT_KEY, *(key for model in MODELS for key in model.model_fields)})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.integers(2**60, 2**70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(MODELS), st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), VALUES, max_size=6))
def test_a_body_is_read_or_refused(model: type[CompletionBody], body: dict[str, object]) -> None:
    required = {ChatBody: {"messages": [{"role": "user", "content": ""}]}, EditBody: {"document": "", "gaps": []}}
    with suppress(ApiError):
        read = model.parse(json.dumps({**required.get(model, {}), **body}).encode())
        given = read.options()
        assert all(value is not None and name not in ("prompt", "batch_size") for name, value in given.items())
        assert isinstance(read, EditBody | InfillBody) or isinstance(read.stops, list)


@given(st.text("ab \n", max_size=20), st.lists(st.text("ab", min_size=1, max_size=2), max_size=2), st.integers(0, 4))
def test_what_is_cut_is_the_beginning(text: str, stops: list[str], indent: int) -> None:
    cut, stop = up_to_stop(text, stops)
    assert text.startswith(f"{cut}{stop}") and not any(other in cut for other in stops)
    shorter = up_to_dedent(text, indent)
    assert text.startswith(shorter) and up_to_dedent(shorter, indent) == shorter
