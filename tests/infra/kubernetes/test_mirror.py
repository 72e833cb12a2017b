"""However a follower was cut off, repeated or told to begin anew: it ends where the server is, and told how."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.kubernetes.mirror import BOOKMARK, DELETED, Difference, Key, Mirror, Object

NAMES = ("a", "b", "c")
Value = tuple[str, int]  # uid and content


def made(name: str, content: int, version: int, uid: str = "u1") -> Object:
    return {
        "metadata": {"name": name, "namespace": "n", "uid": uid, "resourceVersion": str(version)},
        "content": content,
    }


def keep(found: Object) -> Value | None:
    """Objects whose content is negative are not looked at."""
    return (found["metadata"]["uid"], found["content"]) if found["content"] >= 0 else None


def listed(mirror: Mirror[Value], objects: Iterable[Object], version: str) -> tuple[Difference[Value], ...]:
    return mirror.replace([mirror.look(each) for each in objects], version)


@dataclass
class Server:
    """An API server: every change has the next resourceVersion; what is older than `oldest` is forgotten."""

    version: int = 10
    oldest: int = 10
    objects: dict[str, Object] = field(default_factory=dict)
    history: list[tuple[str, Object]] = field(default_factory=list)

    def put(self, name: str, content: int) -> None:
        self.version += 1
        before = self.objects.get(name)
        uid = before["metadata"]["uid"] if before else f"u{self.version}"
        self.objects[name] = made(name, content, self.version, uid)
        self.history.append(("MODIFIED" if before else "ADDED", self.objects[name]))

    def delete(self, name: str) -> None:
        if name in self.objects:
            self.version += 1
            before = self.objects.pop(name)
            last: Any = {**before, "metadata": {**before["metadata"], "resourceVersion": str(self.version)}}
            self.history.append((DELETED, last))

    def since(self, position: int) -> Iterator[tuple[str, Object]] | None:
        """What a watch from there tells; None for 410."""
        if position < self.oldest:
            return None
        return ((kind, each) for kind, each in self.history if int(each["metadata"]["resourceVersion"]) > position)

    def kept(self) -> dict[Key, Value]:
        return {("n", name): value for name, each in self.objects.items() if (value := keep(each)) is not None}


class Follower:
    """What an informer does with a mirror, without threads; `told` is the state that the differences make."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.mirror = Mirror(keep)
        self.told: dict[Key, Value] = {}
        self.list()

    def list(self) -> None:
        self._note(listed(self.mirror, self.server.objects.values(), str(self.server.version)))

    def watch(self, at_most: int, again: int) -> None:
        """Some of what a watch tells before it is cut off; `again` events before it come once more."""
        position = int(self.mirror.position)
        events = self.server.since(position)
        if events is None:
            self.list()
            return
        repeated = [one for one in self.server.history if int(one[1]["metadata"]["resourceVersion"]) <= position]
        for kind, each in [*repeated[len(repeated) - again :], *list(events)[:at_most]]:
            self._note(self.mirror.apply(kind, each))

    def bookmark(self) -> None:
        """Only ever sent to one who has heard everything before it."""
        self.watch(1000, 0)
        bookmark = {"metadata": {"resourceVersion": str(self.server.version)}, "kind": "Secret"}
        self._note(self.mirror.apply(BOOKMARK, bookmark))

    def _note(self, told: tuple[Difference[Value], ...]) -> None:
        for one in told:
            assert self.told.get(one.key) == one.before or one.before is None, "what was before is what was told"
            assert one.before != one.after
            if one.after is None:
                del self.told[one.key]
            else:
                self.told[one.key] = one.after


names = st.sampled_from(NAMES)
moves = st.one_of(
    st.tuples(st.just("put"), names, st.integers(-1, 2)),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("watch"), st.integers(0, 4), st.integers(0, 3)),
    st.tuples(st.just("forget")),
    st.tuples(st.just("bookmark")),
    st.tuples(st.just("list")),
)


@given(st.lists(moves, max_size=40))
def test_it_converges_whatever_happens_between(script: list[tuple[Any, ...]]) -> None:
    server = Server()
    server.put("a", 1)
    follower = Follower(server)
    for move, *arguments in script:
        if move == "put":
            server.put(*arguments)
        elif move == "delete":
            server.delete(*arguments)
        elif move == "watch":
            follower.watch(arguments[0], min(arguments[1], len(server.history)))
        elif move == "forget":
            server.oldest = server.version
        elif move == "bookmark":
            follower.bookmark()
        else:
            follower.list()
    follower.watch(1000, 0)
    assert dict(follower.mirror.held()) == server.kept()
    # What is looked at no longer is not told as gone: until it truly is, the last that was told of it stands.
    assert {key: value for key, value in follower.told.items() if key in server.kept()} == server.kept()


def test_a_deletion_during_a_gap_is_told() -> None:
    server = Server()
    server.put("a", 1)
    server.put("b", 2)
    follower = Follower(server)
    server.delete("a")
    server.oldest = server.version
    told = listed(follower.mirror, server.objects.values(), str(server.version))
    assert [(one.key, one.after) for one in told] == [(("n", "a"), None)]


def test_deleted_and_made_again_during_a_gap_is_another_object() -> None:
    mirror = Mirror(keep)
    listed(mirror, [made("a", 1, 11, "old")], "11")
    told = listed(mirror, [made("a", 1, 15, "new")], "15")
    assert told == (Difference(("n", "a"), ("old", 1), ("new", 1)),)


def test_what_is_equal_to_what_was_kept_is_no_news() -> None:
    mirror = Mirror(keep)
    listed(mirror, [made("a", 1, 11)], "11")
    assert mirror.apply("MODIFIED", made("a", 1, 12)) == ()
    assert mirror.position == "12"


def test_nothing_is_held_of_what_is_not_looked_at() -> None:
    mirror = Mirror(keep)
    assert listed(mirror, [made(f"s{n}", -1, n) for n in range(11, 5011)], "6000") == ()
    assert not mirror.held()
    assert mirror.apply("MODIFIED", made("s11", -1, 6001)) == ()
    assert mirror.apply(DELETED, made("s11", -1, 6002)) == ()


def test_dropped_is_not_gone() -> None:
    mirror = Mirror(keep)
    listed(mirror, [made("a", 1, 11)], "11")
    assert mirror.apply("MODIFIED", made("a", -1, 12)) == ()
    assert not mirror.held()


def test_an_older_list_counts_as_the_server_says() -> None:
    """A server that was restored from a backup is at an older version, and it is the truth."""
    mirror = Mirror(keep)
    listed(mirror, [made("a", 5, 100)], "100")
    told = listed(mirror, [made("a", 1, 40)], "50")
    assert told == (Difference(("n", "a"), ("u1", 5), ("u1", 1)),)
    assert mirror.apply("MODIFIED", made("a", 2, 60)) != ()


@pytest.mark.parametrize(("position", "version", "news"), [("x1", "x1", False), ("x1", "x2", True)])
def test_versions_that_are_no_numbers(position: str, version: str, news: bool) -> None:
    mirror = Mirror(keep)
    listed(mirror, [], position)
    event: Any = made("a", 1, 0)
    event["metadata"]["resourceVersion"] = version
    assert bool(mirror.apply("ADDED", event)) is news
