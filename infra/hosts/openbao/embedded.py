"""The embedded authority as a host uses it: started, set up once, one identity per step.

How it is set up, and why so: the server initializes itself from its configuration (mounts, transit key, AppRole and
the warden), and revokes its root token before it serves. No root token ever leaves it, and no recovery key exists
that could make one; there is nothing to keep, to revoke, or to lose in a crash. What the warden logs in with is made
up here and on disk before the server first runs. Everything after (roles, policies, credentials of the steps) is the
warden's, is repeated at every start, and so needs no journal. The one thing that cannot be repeated is the
initialization itself: if the warden is unknown to a server that was never marked as established, nothing can be in
it yet, and it is set aside and begun anew.
"""

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from functions._failures import Unavailable
from functions._step import Step
from infra.deploy.vault_policies import policy_name
from infra.hosts.openbao.failures import SealKeyError, ServerFailedError
from infra.hosts.openbao.identities import WARDEN, Identities, Identity
from infra.hosts.openbao.private_files import private_directory, read_json, write_private, write_private_json
from infra.hosts.openbao.seal import SealKey, seal_key
from infra.hosts.openbao.server import STOP_PATIENCE, OpenBaoServer, ServerStatus
from infra.hosts.openbao.warden import Warden
from infra.stores.vault.auth import AppRoleAuth
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient, OnCall
from infra.stores.vault.settings import VaultSettings
from infra.stores.vault.token_keeper import TokenKeeper

SCHEMA = 1
SETUP_PATIENCE = 10.0  # seconds; usual are 0.02
_POLL = 0.02


def _unheard(notice: str) -> None:
    """The hook of a host that does not want to hear of crashes."""


def _uncounted(method: str, kind: str) -> None:
    """The hook of a host that does not count the warden's calls."""


class EmbeddedOpenBao:
    """`root` is the host's ROOT: everything is in ROOT/state/openbao and ROOT/state/identities.

    `on_crash` is told, in a sentence, whenever the server ended by itself and is started again.
    """

    def __init__(
        self,
        root: Path,
        steps: Iterable[Step],
        seal: Path | None = None,
        on_crash: Callable[[str], None] = _unheard,
        on_call: OnCall = _uncounted,
    ) -> None:
        private_directory(root / "state")
        self._state = private_directory(root / "state" / "openbao")
        self._identities = Identities(root / "state" / "identities")
        self._steps = tuple(steps)
        self._given_seal = seal
        self._on_crash = on_crash
        self._on_call = on_call
        self._seal: SealKey | None = None
        self._server: OpenBaoServer | None = None
        self._warden: Warden | None = None
        self._http: HttpClient | None = None

    def start(self) -> None:
        """Start, set up what is missing, and admit every step. Raises OpenBaoError, and leaves nothing running."""
        established = self._established()
        self._seal = self._checked_seal(established=established)
        self._server = OpenBaoServer(self._state, self._seal, self._on_crash)
        try:
            self._warden = self._with_warden(self._server, established=established)
            for step in self._steps:
                self._warden.admit(self._identities.ensure(policy_name(step.name)))
            if not established:
                self._mark_established(self._seal)
        except BaseException:
            self.stop(patience=0)
            raise

    def stop(self, patience: float = STOP_PATIENCE) -> None:
        """Stop the server; after `patience` seconds (0: at once) by force, which its storage survives."""
        if self._warden is not None and patience > 0:
            self._warden.close()
        self._warden = None
        if self._http is not None:
            self._http.close()
        if self._server is not None:
            self._server.stop(patience)

    @property
    def settings(self) -> VaultSettings:
        """How to reach it, once started."""
        return self._running().settings

    @property
    def audit_file(self) -> Path:
        """Where its declared audit device writes; another file takes its place when it has grown large."""
        return self._state / "audit.log"

    @property
    def warden(self) -> Warden:
        """Who keeps the policies, once started."""
        if self._warden is None:
            raise ServerFailedError("the embedded OpenBao was not started yet")
        return self._warden

    @property
    def development_seal(self) -> bool:
        """Whether the seal key lies in the state directory, where it protects nothing."""
        return self._seal is None or self._seal.development

    @property
    def seal_path(self) -> Path | None:
        """Where the seal key is, once started."""
        return self._seal.path if self._seal else None

    def identity(self, step: str) -> Identity:
        """What a step logs in with."""
        return self._identities.ensure(policy_name(step))

    def status(self) -> ServerStatus:
        return self._running().status()

    # --- setting up ---

    def _with_warden(self, server: OpenBaoServer, *, established: bool) -> Warden:
        if established:
            server.start()
            try:
                return self._log_in(server)
            except Unavailable as failure:
                raise ServerFailedError(
                    f"the embedded OpenBao does not know its warden ({failure.reason}); "
                    "restore state/identities from where it is kept"
                ) from failure
        secret_id_file = self._secret_id_file()
        try:
            server.start(secret_id_file)
            return self._log_in_patiently(server)
        except (ServerFailedError, Unavailable):
            server.stop(patience=0)
            if not (self._state / "raft" / "raft").exists():
                raise
        self._set_aside()
        server.start(secret_id_file)
        try:
            return self._log_in_patiently(server)
        except Unavailable as failure:
            raise ServerFailedError(f"the embedded OpenBao could not set itself up; see {server.log}") from failure

    def _log_in_patiently(self, server: OpenBaoServer) -> Warden:
        """Log in once the initialization is through: the server may serve a moment before it is."""
        end = time.monotonic() + SETUP_PATIENCE
        while True:
            try:
                return self._log_in(server)
            except Unavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(_POLL)

    def _log_in(self, server: OpenBaoServer) -> Warden:
        identity = self._identities.ensure(WARDEN)
        if self._http is not None:
            self._http.close()
        http = self._http = HttpClient(server.settings, self._on_call)
        keeper = TokenKeeper(http, AppRoleAuth(http, identity.role_id, identity.secret_id))
        keeper.value()
        return Warden(VaultClient(http, keeper, WARDEN))

    def _secret_id_file(self) -> Path:
        path = self._state / "warden.secret-id"
        write_private(path, self._identities.ensure(WARDEN).secret_id.reveal())
        return path

    def _set_aside(self) -> None:
        """Put away a server that died while it initialized itself: it has no values, and nobody can log in."""
        aside = self._state / "raft.incomplete"
        shutil.rmtree(aside, ignore_errors=True)
        (self._state / "raft").rename(aside)

    # --- what is known of it ---

    def _established(self) -> bool:
        return (self._state / "established.json").exists()

    def _checked_seal(self, *, established: bool) -> SealKey:
        seal = seal_key(self._given_seal, self._state, established=established)
        known = read_json(self._state / "established.json") or {}
        if established and known.get("seal_key") not in {None, seal.id}:
            raise SealKeyError(
                f"{seal.path} is not the seal key of {self._state}: that is {known['seal_key']}, this is {seal.id}; "
                "give the right one with --seal-key"
            )
        return seal

    def _mark_established(self, seal: SealKey) -> None:
        write_private_json(self._state / "established.json", {"schema": SCHEMA, "seal_key": seal.id})
        (self._state / "warden.secret-id").unlink(missing_ok=True)

    def _running(self) -> OpenBaoServer:
        if self._server is None:
            raise ServerFailedError("the embedded OpenBao was not started yet")
        return self._server
