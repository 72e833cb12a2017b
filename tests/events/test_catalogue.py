from events.catalogue import BY_TYPE, EVENTS
from events.event import PREFIX, Category, Event
from events.leak import LeakReported
from events.orders import Order


def _leaves(model: type[Event]) -> set[type[Event]]:
    below = model.__subclasses__()
    return {model} if not below else set().union(*(_leaves(one) for one in below))


def test_every_event_type_is_listed_once() -> None:
    ours = {model for model in _leaves(Event) if model.__module__.startswith("events.")}
    assert set(EVENTS) == ours
    assert len(BY_TYPE) == len(EVENTS)


def test_names_tell_the_category() -> None:
    for model in EVENTS:
        assert model.TYPE.startswith(PREFIX)
        # A report asks for something too, but its sender only knows that it found something (DESIGN, "Who may say").
        asks = model.TYPE.endswith(".requested") or model is LeakReported
        assert (model.CATEGORY is Category.ORDER) == asks == issubclass(model, Order)


def test_every_event_says_what_it_is_in_a_sentence() -> None:
    for model in EVENTS:
        assert model.__doc__
        assert model.__doc__ != Event.__doc__
