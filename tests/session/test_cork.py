"""The masking keys that the connections of a loop share."""

from aiohttp_rawws.session.cork import MaskingKeys


def test_each_key_is_new() -> None:
    keys = MaskingKeys()
    drawn = [keys.next() for _ in range(5000)]
    assert {len(key) for key in drawn} == {4}
    # Two of 5,000 random ones are alike in one run of 340; three are not.
    assert len(set(drawn)) >= 4998
