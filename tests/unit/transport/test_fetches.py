"""Packed fetches are those of aiokafka's own protocol, byte for byte and field for field."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from aiokafka.protocol.api import ResponseHeader_v0
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v10, FetchRequest_v11, FetchResponse_v11
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.fetches import PackedRequest, PackedResponse, use_packed

INT16 = st.integers(-(2**15), 2**15 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
TOPIC = st.text(max_size=40)
WANTED = st.tuples(INT32, INT64, INT32)
FOUND = st.tuples(
    INT32, INT16, INT64, INT64, INT64,
    st.none() | st.lists(st.tuples(INT64, INT64), max_size=3), INT32, st.none() | st.binary(max_size=60),
)  # fmt: skip
ANSWER = FetchResponse_v11(
    5, 0, 7,
    [("ingest", [(3, 0, 10, 9, 1, [(4, 2)], -1, b"records"), (4, 6, -1, -1, -1, None, -1, None)]), ("ticks", [])],
)  # fmt: skip


@given(st.lists(st.tuples(TOPIC, st.lists(WANTED, max_size=4)), max_size=4), TOPIC)
def test_a_request_has_the_bytes_of_aiokafkas(topics: list[Any], rack: str) -> None:
    """Whatever is asked."""
    request = FetchRequest(100, 1, 52_428_800, 1, topics, rack)
    assert request.build(PackedRequest).encode() == request.build(FetchRequest_v11).encode()


@given(INT32, INT16, INT32, st.lists(st.tuples(TOPIC, st.lists(FOUND, max_size=4)), max_size=4))
def test_a_response_is_read_as_aiokafka_reads_it(throttle: int, error: int, session: int, topics: list[Any]) -> None:
    """Whatever is answered, behind its header."""
    data = FetchResponse_v11(throttle, error, session, topics).encode()
    behind = BytesIO(b"\0\0\0\7" + data)
    ResponseHeader_v0.decode(behind)
    expected = FetchResponse_v11.decode(data)
    assert PackedResponse.decode(behind).__dict__ == PackedResponse.decode(data).__dict__ == expected.__dict__


@pytest.mark.parametrize("kept", range(len(ANSWER.encode())))
def test_a_response_that_is_cut_off_is_refused(kept: int) -> None:
    """Wherever, as aiokafka refuses it: the connection is then made anew."""
    with pytest.raises(ValueError, match="fetch was answered"):
        PackedResponse.decode(ANSWER.encode()[:kept])


def test_a_broker_that_is_too_old_is_asked_in_aiokafkas_way() -> None:
    """Every other one gets packed requests, however often that is said."""
    use_packed()
    use_packed()
    request = FetchRequest(100, 1, 52_428_800, 0, [("ingest", [(0, 5, 1_048_576)])])
    assert type(request.prepare({1: (4, 10)})) is FetchRequest_v10
    assert type(request.prepare({1: (4, 17)})) is PackedRequest
    assert PackedRequest.RESPONSE_TYPE is PackedResponse
