"""Codes and keyed hashes of referrals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.referrals.domain.hashes import CODE_LENGTH, LETTERS, Secret, plain_address, read_code

SECRET = Secret(b"only for tests, of course")


@given(st.text(max_size=200), st.integers(0, 3))
def test_a_code_follows_from_its_member_and_reads_as_itself(member: str, attempt: int) -> None:
    code = SECRET.code("demo", member, attempt)
    assert code == SECRET.code("demo", member, attempt)
    assert len(code) == CODE_LENGTH
    assert set(code) <= set(LETTERS)
    assert read_code(code) == code


def test_codes_differ_by_member_program_attempt_and_key() -> None:
    codes = {
        SECRET.code("demo", "anna"),
        SECRET.code("demo", "ben"),
        SECRET.code("other", "anna"),
        SECRET.code("demo", "anna", 1),
        Secret(b"another key, just as long").code("demo", "anna"),
    }
    assert len(codes) == 5


def test_no_letter_of_a_code_looks_like_another() -> None:
    assert not set("ILOU") & set(LETTERS)
    assert len(set(LETTERS)) == 32


def test_look_alikes_case_and_hyphens_are_forgiven() -> None:
    assert read_code(" oil0-abcd ") == "0110ABCD"


def test_what_can_be_no_code_is_none() -> None:
    assert [read_code(text) for text in ("", "abc", "käse1", "A" * 33, "a\nbcd")] == [None] * 5


def test_addresses_are_compared_without_what_does_not_tell_people_apart() -> None:
    assert plain_address("An.Na+tea@GoogleMail.com") == "anna@gmail.com"
    assert plain_address("An.Na+tea@Shop.example") == "an.na@shop.example"
    assert plain_address("anna") is None
    assert plain_address("+tag@gmail.com") is None


def test_the_hash_of_an_address_tells_nothing_across_programs_or_keys() -> None:
    hashes = {
        SECRET.email("demo", "anna@shop.example"),
        SECRET.email("other", "anna@shop.example"),
        Secret(b"another key, just as long").email("demo", "anna@shop.example"),
    }
    assert len(hashes) == 3
