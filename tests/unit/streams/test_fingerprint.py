"""Fingerprints: keyed, unambiguous, stable."""

from hypothesis import given
from hypothesis import strategies as st

from streams.fingerprint import SIZE, digest_of, latest_fingerprint, replay_fingerprint, seen_fingerprint

texts = st.text(alphabet="ab\x00,/", max_size=3)


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_seen_fingerprints_are_equal_only_for_equal_parts(one: tuple[str, str, str], two: tuple[str, str, str]) -> None:
    """No characters within the parts can move the border between them."""
    assert (seen_fingerprint(b"k", *one) == seen_fingerprint(b"k", *two)) == (one == two)


@given(*[st.tuples(texts, *[st.lists(texts, max_size=3).map(tuple)] * 2)] * 2)
def test_latest_fingerprints_are_equal_only_for_equal_parts(
    one: tuple[str, tuple[str, ...], tuple[str, ...]], two: tuple[str, tuple[str, ...], tuple[str, ...]]
) -> None:
    """Nor can a part move between scope and selectors."""
    assert (latest_fingerprint(b"k", *one) == latest_fingerprint(b"k", *two)) == (one == two)


def test_a_fingerprint_has_its_size_and_depends_on_key_and_table() -> None:
    """Two installations with different keys, and the two tables, never share fingerprints."""
    mine = seen_fingerprint(b"key", "account", "source", "id")
    assert len(mine) == SIZE
    assert mine != seen_fingerprint(b"", "account", "source", "id")
    assert mine != seen_fingerprint(b"key" * 40, "account", "source", "id")
    assert mine != latest_fingerprint(b"key", "account", ("source", "id"), ())


def test_fingerprints_and_digests_never_change() -> None:
    """They are in changelogs: another value in a new release would forget everything."""
    assert seen_fingerprint(b"", "acct-1", "/billing", "e-1").hex() == "094ef6707cf93d856735900b"
    assert latest_fingerprint(b"k", "acct-1", ("plan", "p", "time"), ("7", "", "0")).hex() == "226c8a5e52eb65dfa2f19f7e"
    assert replay_fingerprint(bytes(range(SIZE)), 5).hex() == "5458826b802284a189ad2bfc"
    assert digest_of(b"payload") == 1110206997


def test_a_lone_surrogate_is_text_too() -> None:
    """What a producer's JSON may hold must not stop the router."""
    assert seen_fingerprint(b"", "\ud800", "s", "i") != seen_fingerprint(b"", "\ud801", "s", "i")
