"""The names that RFC 6455 gives to the parts of a frame."""

import enum

import pytest

from aiohttp_rawws import CloseCode, Opcode, Violation


def test_opcodes_of_rfc_6455_section_5_2() -> None:
    assert {opcode.name: opcode.value for opcode in Opcode} == {
        "CONTINUATION": 0,
        "TEXT": 1,
        "BINARY": 2,
        "CLOSE": 8,
        "PING": 9,
        "PONG": 10,
    }
    assert issubclass(Opcode, enum.IntEnum)


def test_close_codes_of_the_iana_registry() -> None:
    assert [code.value for code in CloseCode] == [*range(1000, 1004), *range(1005, 1016)]
    assert issubclass(CloseCode, enum.IntEnum)


def test_close_codes_that_may_stand_on_the_wire() -> None:
    sendable = [code for code in range(65536) if CloseCode.is_sendable(code)]
    assert sendable == [*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)]


def test_sendable_is_not_the_same_as_known() -> None:
    assert CloseCode.is_sendable(CloseCode.BAD_GATEWAY)
    assert not CloseCode.is_sendable(CloseCode.NO_STATUS_RECEIVED)
    assert not CloseCode.is_sendable(CloseCode.ABNORMAL_CLOSURE)
    assert not CloseCode.is_sendable(CloseCode.TLS_HANDSHAKE)


VIOLATIONS = (
    "UNMASKED",
    "MASKED",
    "RESERVED_BITS",
    "RESERVED_OPCODE",
    "FRAGMENTED_CONTROL",
    "LONG_CONTROL",
    "UNEXPECTED_CONTINUATION",
    "EXPECTED_CONTINUATION",
    "LENGTH_ENCODING",
    "CLOSE_PAYLOAD",
    "AFTER_CLOSE",
)


def test_violations_have_one_bit_per_rule() -> None:
    bits = [Violation[name].value for name in VIOLATIONS]
    assert all(bit.bit_count() == 1 for bit in bits)
    assert len(set(bits)) == len(bits)
    assert set(Violation.__members__) == {*VIOLATIONS, "NONE", "ALL"}


def test_violations_none_and_all() -> None:
    assert Violation.NONE.value == 0
    assert Violation.ALL.value == sum(Violation[name].value for name in VIOLATIONS)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_rule_is_taken_out_of_all(name: str) -> None:
    rest = Violation.ALL & ~Violation[name]
    assert Violation[name] not in rest
    assert rest | Violation[name] == Violation.ALL
