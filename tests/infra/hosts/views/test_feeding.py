"""Who names a consumer where a Rotation is wanted is told which one that is."""

import pytest

from infra.hosts.views.feeding import instead
from tests.fakes.world import external_secret, path
from tests.functions.leaking import rotation
from tests.infra.hosts.views.scene import PATH, SOURCE, TARGET, Scene, in_step

LISTED = "; `lockstep rotation list` lists what is rotated"
ORDERS = path("platform-data/postgres/orders")


def scene() -> Scene:
    scene = in_step()
    scene.world.wiring.put(rotation("orders-db", ORDERS))
    scene.world.external(external_secret("shop/orders", extract=ORDERS.path))
    scene.world.external(
        external_secret("shop/both", dataFrom=[{"extract": {"key": PATH.path}}, {"extract": {"key": ORDERS.path}}])
    )
    return scene


@pytest.mark.parametrize(
    ("name", "namespace", "said"),
    [
        (
            "shop/orders",
            None,
            f"shop/orders is fed by {ORDERS}, which Rotation orders/orders-db rotates: name that one",
        ),
        ("orders", "shop", f"shop/orders is fed by {ORDERS}, which Rotation orders/orders-db rotates: name that one"),
        (str(TARGET), None, f"{TARGET} is fed by {PATH}, and no Rotation rotates that{LISTED}"),
        (str(SOURCE), None, f"{SOURCE} publishes {PATH}, and no Rotation rotates that{LISTED}"),
        (str(PATH), None, f"{PATH} is wired, and no Rotation rotates that{LISTED}"),
        ("nobody/nothing", None, ""),
    ],
)
def test_instead(name: str, namespace: str | None, said: str) -> None:
    assert instead(name, namespace, scene().lookups) == said


def test_of_several_paths_what_is_rotated_comes_first() -> None:
    said = instead("shop/both", None, scene().lookups)
    assert said.index("Rotation orders/orders-db") < said.index(str(PATH))
