"""Ports on loopback that nobody has right now."""

import socket


def free_port() -> int:
    """One port; whoever starts a server on it tries again where somebody was faster."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
