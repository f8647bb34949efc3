import hashlib
import hmac
from unittest.mock import patch

import pytest

from service.security.keys import InvalidKeys, KeyRing, create_key

HASH = hashlib.sha256(b"secret").hexdigest()


def test_a_created_key_is_found_by_its_entry_with_its_name_and_scopes() -> None:
    token, key = create_key("app", ["admin", "classify"])
    ring = KeyRing.parse(f"# callers\n\n{key.entry}\n", source="keys")
    found = ring.find(token)
    assert found is not None
    assert (found.name, found.scopes) == ("app", {"classify", "admin"})


def test_two_keys_of_one_name_differ_and_are_long() -> None:
    tokens = {create_key("app", ["classify"])[0] for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) >= 43 for token in tokens)


def test_an_entry_holds_nothing_of_the_key() -> None:
    token, key = create_key("app", ["classify"])
    assert token not in key.entry
    assert token not in repr(key)


@pytest.mark.parametrize(
    "wrong", ["", "x", "eabs_", HASH, "sha256:" + HASH, "secret\n", "sécret", "\udcff", "a" * 100_000]
)
def test_nothing_else_is_a_key(wrong: str) -> None:
    assert KeyRing.parse(f"app classify sha256:{HASH}", source="keys").find(wrong) is None


def test_every_key_is_compared_whichever_matches() -> None:
    tokens, entries = zip(*(create_key(f"key-{index}", ["classify"]) for index in range(5)), strict=True)
    ring = KeyRing.parse(";".join(key.entry for key in entries), source="keys")
    for token in (*tokens, "unknown"):
        with patch("hmac.compare_digest", side_effect=hmac.compare_digest) as compare:
            ring.find(token)
        assert compare.call_count == 5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "at least one"),
        ("# none\n\n", "at least one"),
        ("a classify", "got 2 words"),
        ("eabs_plain-key-that-somebody-pasted", "got 1 words"),
        ("a classify eabs_plain-key-that-somebody-pasted", "perhaps the key itself"),
        (f"a classify {HASH}", "perhaps the key itself"),
        (f"a classify sha256:{HASH[:-1]}", "perhaps the key itself"),
        (f"a classify sha256:{HASH.upper()}", "perhaps the key itself"),
        (f"a root sha256:{HASH}", "scopes"),
        (f"a classify,classify sha256:{HASH}", "scopes"),
        (f"a classify, sha256:{HASH}", "scopes"),
        (f"../a classify sha256:{HASH}", "name"),
        (f"a classify sha256:{HASH}\na admin sha256:{HASH[::-1]}", "once"),
        (f"a classify sha256:{HASH}\nb admin sha256:{HASH}", "once"),
    ],
)
def test_entries_that_cannot_be_meant_are_refused_without_being_repeated(text: str, reason: str) -> None:
    with pytest.raises(InvalidKeys, match=reason) as refused:
        KeyRing.parse(text, source="keys.txt")
    assert "keys.txt" in str(refused.value)
    assert "eabs_plain" not in str(refused.value)
    assert HASH not in str(refused.value)


@pytest.mark.parametrize(("name", "scopes"), [("", ["classify"]), ("a b", ["classify"]), ("a", []), ("a", ["root"])])
def test_a_key_needs_a_name_and_known_scopes(name: str, scopes: list[str]) -> None:
    with pytest.raises(InvalidKeys):
        create_key(name, scopes)
