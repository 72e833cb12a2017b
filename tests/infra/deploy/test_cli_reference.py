import click

from infra.deploy.cli_reference import render


@click.group()
def program() -> None:
    """A program."""


@program.command("look")
@click.argument("name")
@click.option("-o", "--output", type=click.Choice(("json", "yaml")), help="Another form.")
def look(name: str, output: str | None) -> None:
    """Look at something
    in two lines.

    \b
    program look this
    """


@program.command("secretly", hidden=True)
def secretly() -> None:
    """Not shown."""


@program.group("outer")
def outer() -> None:
    """Holds others."""


@outer.command("inner")
def inner() -> None:
    """Within."""


def test_the_page() -> None:
    page = render(program, {"look": (("a.b[]", "what it says"),)})["docs/cli.md"]
    assert "## lockstep look\n\n    lockstep look [OPTIONS] NAME\n" in page
    assert "Look at something in two lines.\n\n    program look this\n" in page
    assert "| `-o, --output [json\\|yaml]` | Another form. |" in page
    assert "| `a.b[]` | what it says |" in page
    assert page.index("## lockstep outer") < page.index("### lockstep outer inner")
    assert "secretly" not in page
