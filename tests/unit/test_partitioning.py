"""The partition of a key is the one that other clients choose."""

from __future__ import annotations

from aiokafka.partitioner import murmur2 as their_murmur2
from hypothesis import given
from hypothesis import strategies as st

from shared.partitioning import murmur2, partition_of


@given(st.binary(max_size=70))
def test_a_key_hashes_as_it_does_in_the_client_library(key: bytes) -> None:
    assert murmur2(key) == their_murmur2(key)


@given(st.binary(max_size=70), st.integers(1, 100))
def test_a_key_has_one_of_the_partitions(key: bytes, count: int) -> None:
    assert partition_of(key, count) in range(count)


def test_a_record_without_a_key_has_the_first_partition() -> None:
    assert partition_of(None, 12) == 0
