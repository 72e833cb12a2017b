"""The broker against a simple model: whatever is done to it, nothing is lost, and order holds per key."""

import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from events.cloudevent import CloudEvent
from infra.broker.broker import Broker
from infra.broker.chaos import Chaos
from infra.broker.errors import DeadLetterError
from infra.broker.subscriber import Answer
from tests.infra.broker.kit import ANYTHING, DEADLINE, DONE, OPERATOR, SOURCE, Scripted, event, trigger

BUDGET = {"retry": 2, "backoffPolicy": "linear", "backoffDelay": "PT0.001S"}


class BrokerModel(RuleBasedStateMachine):
    """One Trigger, one subscriber whose mood changes; the model is what was accepted, and in which order per key."""

    chaos: Chaos | None = None

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="broker-model-"))
        self.accepted: dict[str, str] = {}
        self.sequences: dict[str, int] = {}
        self.served: list[tuple[str, str]] = []
        self.mood = 202
        self.subscriber = Scripted(self.behave)
        self.broker = self.open()

    def behave(self, given: CloudEvent) -> Answer:
        if self.mood != 202:
            return Answer(self.mood)
        self.served.append((given.subject or "", given.id))
        return DONE

    def open(self) -> Broker:
        broker = Broker(
            self.directory / "broker.db", [trigger(delivery=BUDGET)], {"sub": self.subscriber}, ANYTHING,
            backoff_cap=0.003, workers=2, chaos=self.chaos,
        )  # fmt: skip
        broker.start()
        return broker

    @rule(keys=st.lists(st.sampled_from("abc"), min_size=1, max_size=4), same=st.booleans())
    def accept(self, keys: list[str], same: bool) -> None:
        """Events of one key have a type of their own, or the same: only those supersede one another."""
        events = []
        for key in keys:
            id_ = str(len(self.accepted))
            events.append(event(id_, "t.same" if same else f"t.{id_}", key))
            self.accepted[id_] = key
        for one, sequence in zip(events, self.broker.accept_many(events, SOURCE).result(DEADLINE), strict=True):
            self.sequences[one.id] = sequence

    @rule(mood=st.sampled_from([202, 202, 400, 500, 503, 0]), ready=st.booleans())
    def change_mood(self, mood: int, ready: bool) -> None:
        self.mood, self.subscriber.is_ready = mood, ready
        if ready:
            self.broker.nudge()

    @rule()
    def restart(self) -> None:
        assert self.broker.drain(DEADLINE)
        self.broker = self.open()

    @precondition(lambda self: self.subscriber.is_ready)
    @rule()
    def settle(self) -> None:
        assert self.broker.wait_idle(DEADLINE)

    @rule(replay=st.booleans())
    def close_dead_letters(self, replay: bool) -> None:
        """No precondition: whether there are any by now depends on the workers' pace."""
        close = self.broker.dead_letters.replay if replay else self.broker.dead_letters.drop
        for letter in self.broker.dead_letters.list():
            try:
                close(letter.n, OPERATOR).result(DEADLINE)
            except DeadLetterError:  # a newer event was served since the list was made
                closed = self.broker.dead_letters.list(include_closed=True, limit=10_000)
                assert [each.outcome for each in closed if each.n == letter.n] == ["superseded"]

    @invariant()
    def nothing_is_lost(self) -> None:
        assert {trace.event.id for trace in self.broker.timeline.traces(limit=10_000)} == set(self.accepted)

    def teardown(self) -> None:
        try:
            self.mood, self.subscriber.is_ready = 202, True
            self.broker.nudge()
            assert self.broker.wait_idle(DEADLINE)
            self.check_outcomes()
            self.check_order()
            verification = self.broker.ledger.verify_chain()
            assert verification.intact
            kinds = [entry.kind for entry in self.broker.ledger.entries()]
            assert kinds.count("accepted") == len(self.accepted)
            assert kinds.count("dead-letter") == len(self.broker.dead_letters.list(include_closed=True, limit=10_000))
            assert self.broker.health().pending == 0
        finally:
            self.broker.drain(DEADLINE)
            shutil.rmtree(self.directory)

    def check_outcomes(self) -> None:
        """Every event came to exactly one end, and was served if that end says so."""
        served = {id_ for _, id_ in self.served}
        letters = self.broker.dead_letters.list(include_closed=True, limit=10_000)
        # one that a newer event of its type and subject made pointless is over, too
        open_letters = {letter.id for letter in letters if letter.outcome in (None, "superseded")}
        for id_, sequence in self.sequences.items():
            trace = self.broker.timeline.trace(sequence)
            assert trace is not None
            assert trace.open == ()
            outcomes = [line.outcome for line in trace.lines]
            ends = [o for o in outcomes if o in ("delivered", "superseded", "dead-lettered")]
            assert len(ends) == 1 + outcomes.count("replayed"), outcomes
            assert (ends[-1] == "delivered") <= (id_ in served)
            assert (ends[-1] == "dead-lettered") == (id_ in open_letters or "dropped" in outcomes)
            assert outcomes.count("retried") <= 2 * (1 + outcomes.count("replayed")), "attempts are bounded"

    def check_order(self) -> None:
        if self.chaos is not None:
            return
        replayed = {letter.id for letter in self.broker.dead_letters.list(include_closed=True, limit=10_000)}
        per_key: dict[str, list[int]] = defaultdict(list)
        for key, id_ in self.served:
            if id_ not in replayed:  # those are put behind by whoever replays them
                per_key[key].append(int(id_))
        for numbers in per_key.values():
            assert numbers == sorted(numbers)
            assert len(numbers) == len(set(numbers)), "no restart was a crash: nothing is delivered twice"


class ChaoticModel(BrokerModel):
    """The same promises, but for order, while the dispatcher shuffles and repeats."""

    chaos = Chaos(seed=7)


TestBroker = BrokerModel.TestCase
TestBroker.settings = settings(max_examples=25, stateful_step_count=25)
TestChaos = ChaoticModel.TestCase
TestChaos.settings = settings(max_examples=15, stateful_step_count=20)
