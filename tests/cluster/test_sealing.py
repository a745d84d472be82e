from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from smart_router.cluster.sealing import Seal, SealError, new_key

KEYS = [new_key() for _ in range(3)]


def seal(*keys: str) -> Seal:
    return Seal.of(SecretStr(",".join(keys)))


@given(text=st.text(), row=st.text())
def test_sealed_text_opens_in_its_own_row_only(text: str, row: str) -> None:
    sealed = seal(KEYS[0]).close(SecretStr(text), row)
    assert seal(KEYS[0]).open(sealed, row).get_secret_value() == text
    with pytest.raises(SealError, match="another row"):
        seal(KEYS[0]).open(sealed, row + "x")


def test_older_keys_open_what_the_first_does_not() -> None:
    sealed = seal(KEYS[0]).close(SecretStr("token"), "row")
    assert seal(KEYS[1], KEYS[0]).open(sealed, "row").get_secret_value() == "token"
    assert seal(KEYS[1], KEYS[0]).close(SecretStr("token"), "row").startswith(seal(KEYS[1]).first)
    with pytest.raises(SealError, match="does not have"):
        seal(KEYS[1], KEYS[2]).open(sealed, "row")


@given(at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_changed_text_is_refused(at: int, bit: int) -> None:
    id_, _, rest = seal(KEYS[0]).close(SecretStr("token"), "row").partition(".")
    data = bytearray(base64.b64decode(rest))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(SealError):
        seal(KEYS[0]).open(f"{id_}.{base64.b64encode(data).decode()}", "row")


BAD_KEYS = ["", "short", base64.b64encode(b"x" * 31).decode(), f"{KEYS[0]},", "ä" * 44]


# ids without the key, which is random: all processes of the suite must collect the same tests
@pytest.mark.parametrize("text", BAD_KEYS, ids=["empty", "short", "31 bytes", "one too many", "not base64"])
def test_bad_keys_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"^is no list of keys: make one with `smart-router cluster key`$"):
        Seal.of(SecretStr(text))


def test_keys_are_never_shown() -> None:
    assert KEYS[0] not in repr(seal(KEYS[0]))
