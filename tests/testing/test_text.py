"""What a peer has sent, in a report."""

from aiohttp_rawws.testing.text import printable


def test_only_what_cannot_be_printed_is_escaped() -> None:
    assert printable("é \\ x") == "é \\ x"
    assert printable("a\x1b[31m\n\x9b\u202eé") == r"a\x1b[31m\n\x9b\u202eé"
