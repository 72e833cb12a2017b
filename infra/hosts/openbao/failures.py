"""What can be wrong with the embedded authority; each message says what to do next."""


class OpenBaoError(Exception):
    """The embedded authority cannot be run as asked."""


class SealKeyError(OpenBaoError):
    """The seal key is missing, unfit, or not the one that sealed this state."""


class ServerFailedError(OpenBaoError):
    """The server did not start, or not in time."""


class StateInUseError(OpenBaoError):
    """Another process runs the authority of this state directory."""
