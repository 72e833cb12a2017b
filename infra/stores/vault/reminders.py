"""`Reminders` as entries `lockstep/due/<cluster>_<step>/<minute>/<subject>`: what is due is listed, never read."""

import re
from datetime import UTC, datetime

from functions._failures import Conflict
from functions._workloads import Reminder
from infra.stores.vault.documents import MOUNT, SCHEMA
from infra.stores.vault.kv import KvEngine

_DIRECTORY = "due"
_MINUTE = "%Y%m%d%H%M"
_NAMED = re.compile(r"([0-9]{12})/")
MOST = 1000  # handed out at once; the next tick goes on


class VaultReminders:
    """An entry's name says all. A subject's slashes are colons, so that a minute is one flat folder."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT, cluster: str = "local") -> None:
        self._engine = engine
        self._mount = mount
        self._prefix = f"{cluster}_"  # no cluster's name holds "_"

    def due(self, step: str, now: datetime) -> tuple[Reminder, ...]:
        found: list[Reminder] = []
        for minute in self._minutes(step):
            if minute > now or len(found) >= MOST:
                break
            names = self._engine.list(self._mount, self._folder(step, minute))
            found += [Reminder(minute, step, name.replace(":", "/")) for name in sorted(names)]
        return tuple(found[:MOST])

    def set(self, reminder: Reminder) -> None:
        try:
            self._engine.write(self._mount, self._name(reminder), {"schema": SCHEMA, "subject": reminder.subject}, 0)
        except Conflict:
            return  # it is there

    def remove(self, reminder: Reminder) -> None:
        self._engine.delete_metadata(self._mount, self._name(reminder))

    def _minutes(self, step: str) -> list[datetime]:
        names = self._engine.list(self._mount, f"{_DIRECTORY}/{self._prefix}{step}")
        found = (_NAMED.fullmatch(name) for name in names)
        return sorted(datetime.strptime(match[1], _MINUTE).replace(tzinfo=UTC) for match in found if match)

    def _folder(self, step: str, minute: datetime) -> str:
        return f"{_DIRECTORY}/{self._prefix}{step}/{minute.astimezone(UTC).strftime(_MINUTE)}"

    def _name(self, reminder: Reminder) -> str:
        return f"{self._folder(reminder.step, reminder.minute)}/{reminder.subject.replace('/', ':')}"
