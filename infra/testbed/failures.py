"""What can be wrong with the test cluster; each message says what was tried and what to do next."""


class TestbedError(Exception):
    """The test cluster cannot be had, or does not do what it was told."""

    __test__ = False  # pytest takes every Test... for a test


class NoBinariesError(TestbedError):
    """The programs are not on this machine, or not yet."""


class BuildError(TestbedError):
    """The programs cannot be built here."""


class ClusterError(TestbedError):
    """The cluster did not start, or has ended."""


class ApiError(TestbedError):
    """The API server refused a call. `status` is the HTTP status, `reason` the Status object's word for it."""

    def __init__(self, call: str, status: int, reason: str, message: str) -> None:
        super().__init__(f"{call}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
