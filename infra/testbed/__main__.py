"""`python -m infra.testbed build|paths|up`."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.testbed import binaries, building, generating, packages
from infra.testbed.cluster import Cluster, launch
from infra.testbed.failures import TestbedError


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done; 1: it cannot be had, and why is said; 130: interrupted before it was."""
    parser = argparse.ArgumentParser(prog="python -m infra.testbed", description="A real control plane for tests")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="provide the programs: seconds when they are there, minutes the first time")
    commands.add_parser("paths", help="tell where the programs are")
    up = commands.add_parser("up", help="run a cluster until Ctrl-C")
    up.add_argument("--kubeconfig", type=Path, help="where to write the kubeconfig; in the cluster's own directory")
    given = parser.parse_args(arguments)
    try:
        if given.command == "up":
            return _up(given.kubeconfig)
        _servers(packages.provide if given.command == "build" else packages.find)
        found = building.provide() if given.command == "build" else binaries.find()
        if given.command == "build":
            _say(f"definitions of External Secrets Operator: {generating.provide()}")
    except TestbedError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    for program, path in building.paths(found).items():
        _say(f"{program}: {path}")
    return 0


def _servers(looked_for: Callable[[packages.Server], packages.Found]) -> None:
    """Servers from packages: a cluster runs without them, so that a machine that cannot have one is only told so."""
    for server in packages.SERVERS:
        try:
            _say(f"{server.program}: {looked_for(server).path}")
        except TestbedError as failure:
            sys.stderr.write(f"{failure}\ntests that need {server.program} will be skipped\n")


def _up(kubeconfig: Path | None) -> int:
    stopped = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopped)  # whenever they come: they are waited for below
    cluster = launch()
    try:
        _tell(cluster, cluster.kubeconfig(kubeconfig or cluster.directory / "kubeconfig"))
        while signal.sigtimedwait(stopped, 1.0) is None:
            cluster.check()
    finally:
        cluster.stop()
    return 0


def _tell(cluster: Cluster, kubeconfig: Path) -> None:
    _say(f"a cluster without nodes at {cluster.server}, logs in {cluster.directory}; Ctrl-C ends it")
    _say(f"export KUBECONFIG={kubeconfig}")
    _say(f"export LOCKSTEP_TESTBED={cluster.directory}  # and the tests use it, instead of one of their own")
    kubectl = binaries.find().kubectl
    if kubectl:
        _say(f"{kubectl} get namespaces")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
