"""A probe that cannot hold up the server, and still learns the truth."""

import threading

from infra.hosts.func_python.readiness import PromptReadiness
from infra.hosts.step_endpoint import Message
from tests.instance import PATIENCE, wait_for

SERVES, SEALED = Message(200, body=b"OK"), Message(503, body=b"sealed")


def test_a_quick_answer_is_todays() -> None:
    answers = [SERVES, SEALED, SERVES]
    readiness = PromptReadiness(lambda: answers.pop(0), PATIENCE)
    assert [readiness(), readiness(), readiness()] == [SERVES, SEALED, SERVES]
    readiness.close()


def test_a_slow_answer_is_learned_later_and_asked_for_once() -> None:
    let_go = threading.Event()
    asked: list[None] = []

    def ask() -> Message:
        asked.append(None)
        assert let_go.wait(PATIENCE)
        return SERVES

    readiness = PromptReadiness(ask, 0)
    assert {readiness().status for _ in range(3)} == {503}
    wait_for(lambda: asked, "the question")
    assert len(asked) == 1
    let_go.set()
    wait_for(lambda: readiness() == SERVES, "the answer")
    readiness.close()
