"""The settings of the tests that hypothesis drives."""

import os

from hypothesis import HealthCheck, settings

#: Machines differ in speed; and a pull request should not fail for what it did not change.
PROFILE = settings(
    deadline=None,
    max_examples=300,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
