"""The rate limit of log lines: a burst, then so many a minute."""

from aiohttp_rawws.server.ratelimit import RateLimit


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_so_many_a_minute() -> None:
    clock = Clock()
    limit = RateLimit(20, clock=clock)
    assert [limit.take() for _ in range(22)] == [0] * 20 + [None] * 2
    clock.now += 2.9
    assert limit.take() is None
    clock.now += 0.2
    assert [limit.take() for _ in range(2)] == [3, None]
    clock.now += 6
    assert [limit.take() for _ in range(3)] == [1, 0, None]


def test_no_more_than_a_burst_is_saved_up() -> None:
    clock = Clock()
    limit = RateLimit(5, clock=clock)
    clock.now += 3600
    assert [limit.take() for _ in range(6)] == [0] * 5 + [None]


def test_in_an_hour_of_events() -> None:
    clock = Clock()
    limit = RateLimit(clock=clock)
    passed = left_out = 0
    for _ in range(3600 * 4):
        clock.now += 0.25
        told = limit.take()
        passed += told is not None
        left_out += told or 0
    assert 20 * 60 <= passed <= 20 * 60 + 20
    assert passed + left_out <= 3600 * 4 < passed + left_out + 20
