"""The format of tokens."""

import string

from hypothesis import given
from hypothesis import strategies as st

from metrics_graphql.core.tokens import BASE62, generate_token, is_well_formed


def test_a_token_has_a_prefix_a_secret_and_a_checksum() -> None:
    """`cog_`, 32 base62 characters, and 6 more that follow from them."""
    token = generate_token()

    assert token.startswith("cog_")
    assert len(token) == 4 + 32 + 6
    assert set(token[4:]) <= set(string.ascii_letters + string.digits)
    assert is_well_formed(token)
    assert generate_token() != token


@given(position=st.integers(4, 41), character=st.sampled_from(BASE62))
def test_a_single_wrong_character_is_always_detected(position: int, character: str) -> None:
    """A CRC detects every error of one character, so a mistyped token costs no read."""
    token = generate_token()
    mistyped = token[:position] + character + token[position + 1 :]

    assert is_well_formed(mistyped) is (mistyped == token)
