"""The running Lockstep that the command line's tests use."""

from tests.infra.hosts.cli.conftest import up

__all__ = ["up"]
