"""Rows of Cassandra's answers."""

from __future__ import annotations

from cassandra.query import named_tuple_factory

from sinks.cassandra import rows_of


def test_rows_are_those_of_the_driver_with_one_type_for_all_answers() -> None:
    """Names are cleaned as the driver cleans them."""
    columns = ["seq", "writetime(push_token)"]
    first, again = rows_of(columns, [(1, 2), (3, 4)]), rows_of(list(columns), [(5, 6)])
    assert first == named_tuple_factory(columns, [(1, 2), (3, 4)])
    assert (first[1].seq, first[1].writetime_push_token) == (3, 4)
    assert type(first[0]) is type(again[0])
    assert rows_of(columns, []) == []
