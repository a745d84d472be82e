"""Keys are random, stored as salted hashes, and compared in a time that tells nothing."""

from __future__ import annotations

import random
import time
from statistics import median

import pytest
from pydantic import SecretStr

from smart_router.client_keys.client import Client
from smart_router.client_keys.database import Stored, StoredClient
from smart_router.client_keys.directory import Directory
from smart_router.client_keys.keys import PREFIX, StoredKey, key_id, looks_like_key, make_key, matches
from smart_router.errors import ClientError

NOW = 1_000_000.0


def directory(*keys: StoredKey, expires: float | None = None, revoked: float | None = None) -> Directory:
    stored = StoredClient(Client("ann", expires=expires), NOW, revoked, keys)
    return Directory({"desk": SecretStr("a long random string")}, Stored({"ann": stored}))


def test_key_has_a_visible_prefix_and_only_its_hash_is_stored() -> None:
    key, stored = make_key(NOW)
    shown = key.get_secret_value()
    assert shown.startswith(f"{PREFIX}{stored.id}-")
    assert key_id(shown) == stored.id
    assert matches(shown, stored) and not matches(f"{shown[:-1]}x", stored)
    assert shown.rpartition("-")[2] not in repr(stored) + str(stored.digest)
    assert make_key(NOW)[1].salt != stored.salt


@pytest.mark.parametrize(
    "text", ["", "srk-", "sk-proj-1", "srk-short-1", f"srk-{'a' * 8}-{'б' * 43}", "\udcff"]
)
def test_other_texts_have_no_id_and_are_nobodys(text: str) -> None:
    _, stored = make_key(NOW)
    assert key_id(text) is None
    assert directory(stored).find(text, NOW) is None
    assert looks_like_key(text) is text.startswith("srk-")


def test_directory_finds_clients_of_config_and_file() -> None:
    key, stored = make_key(NOW)
    both = directory(stored)
    desk, ann = both.find("a long random string", NOW), both.find(key.get_secret_value(), NOW)
    assert desk and (desk.name, desk.admin) == ("desk", True)
    assert ann and (ann.name, ann.admin) == ("ann", False)
    assert both.find(make_key(NOW)[0].get_secret_value(), NOW) is None


@pytest.mark.parametrize(
    ("fields", "ends", "code"),
    [
        ({"expires": NOW}, None, "key_expired"),
        ({"expires": NOW + 1}, None, None),
        ({"revoked": NOW - 9}, None, "key_revoked"),
        ({}, NOW, "key_revoked"),
        ({}, NOW + 1, None),
    ],
)
def test_key_that_is_no_longer_taken_says_why(
    fields: dict[str, float], ends: float | None, code: str | None
) -> None:
    key, made = make_key(NOW)
    stored = StoredKey(made.id, made.salt, made.digest, NOW, ends)
    both = directory(stored, **fields)
    if code is None:
        assert both.find(key.get_secret_value(), NOW)
        return
    with pytest.raises(ClientError) as caught:
        both.find(key.get_secret_value(), NOW)
    assert (caught.value.status, caught.value.code) == (401, code)
    assert "ann" in caught.value.message and key.get_secret_value() not in caught.value.message
    wrong = key.get_secret_value()[:-1] + "_"
    assert both.find(wrong, NOW) is None  # who guesses learns nothing of a key that existed


def test_right_and_wrong_keys_take_the_same_time() -> None:
    """The medians of interleaved rounds differ by less than keys of the same kind do among themselves."""
    made = [make_key(NOW) for _ in range(40)]
    both = directory(*(stored for _, stored in made))
    right = [key.get_secret_value() for key, _ in made]
    kinds = {
        "right": right,
        "right again": right,
        "wrong at its end": [f"{key[:-1]}{'A' if key[-1] != 'A' else 'B'}" for key in right],
        "wrong from its start": [f"{key[:13]}{'z' * 43}" for key in right],
        "unknown id": [make_key(NOW)[0].get_secret_value() for _ in made],
    }
    times: dict[str, list[int]] = {kind: [] for kind in kinds}
    rounds = [(kind, number) for kind in kinds for number in range(len(made))] * 20
    random.shuffle(rounds)
    for kind, number in rounds:
        shown = kinds[kind][number]
        began = time.perf_counter_ns()
        both.find(shown, NOW)
        times[kind].append(time.perf_counter_ns() - began)
    medians = {kind: median(found) for kind, found in times.items()}
    # a request takes milliseconds on the network; a microsecond is what a comparison byte by byte would show
    # over 43 characters, and hides in nothing
    assert max(medians.values()) - min(medians.values()) < 1_000, medians
