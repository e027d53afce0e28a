"""The exceptions, their attributes and their messages."""

import copy
import pickle
from typing import Any

import pytest

from aiohttp_rawws import (
    CloseCode,
    EndOfStream,
    Frame,
    FrameTooBig,
    ProtocolError,
    RawWebSocketError,
    SessionClosed,
    Violation,
)

ERRORS = [
    ProtocolError(Violation.RESERVED_BITS | Violation.UNMASKED, 1002, "two rules"),
    FrameTooBig(1024, 1023),
    FrameTooBig(1024, 1023, "a message of 1024 bytes is over the limit"),
    EndOfStream("the peer ended its stream"),
    SessionClosed("the connection is closed"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_all_are_raw_websocket_errors(error: Exception) -> None:
    assert isinstance(error, RawWebSocketError)


def test_whose_fault_it_is() -> None:
    assert RawWebSocketError.__bases__ == (Exception,)
    assert issubclass(FrameTooBig, ProtocolError)
    assert issubclass(EndOfStream, EOFError)
    assert issubclass(SessionClosed, ConnectionError)
    assert not issubclass(EndOfStream, ProtocolError)
    assert not issubclass(SessionClosed, ProtocolError)


def test_protocol_error() -> None:
    error = ProtocolError(Violation.CLOSE_PAYLOAD, CloseCode.INVALID_PAYLOAD, "not UTF-8")
    assert error.violation is Violation.CLOSE_PAYLOAD
    assert error.close_code == 1007
    assert error.message == str(error) == "not UTF-8"


def test_frame_too_big() -> None:
    error = FrameTooBig(1024, 1023)
    assert (error.size, error.limit) == (1024, 1023)
    assert error.violation is Violation.NONE
    assert error.close_code == 1009
    assert error.message == str(error)


def test_frame_too_big_tells_what_to_do() -> None:
    told = str(FrameTooBig(1024, 1023))
    assert all(word in told for word in ("1024", "1023", "max_frame_size", "pieces()"))


def test_frame_too_big_fits_a_close() -> None:
    error = FrameTooBig(2**63 - 1, 2**63 - 2)
    assert Frame.close(error.close_code, str(error)).close_reason == str(error)


def test_frame_too_big_for_another_limit() -> None:
    error = FrameTooBig(1024, 1023, "a message of 1024 bytes is over the limit")
    assert (error.size, error.limit, error.close_code) == (1024, 1023, 1009)
    assert str(error) == error.message == "a message of 1024 bytes is over the limit"


@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_copies(error: Any, copied: Any) -> None:
    other = copied(error)
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert vars(other) == vars(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_is_made_again_from_its_args(error: Exception) -> None:
    assert str(type(error)(*error.args)) == str(error)
