"""Templates against Go's own results, against arbitrary text, and against their limits."""

import base64
import traceback

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions._failures import Reject
from functions._templates import Limits, TemplateError, check, render
from functions._values import SecretValue
from tests.functions.templates.vectors import DATA, VECTORS

CANARY = "canary-7f3a9c"


def rendered(text: str, **values: str) -> str:
    return render(text, {key: SecretValue.of(value) for key, value in values.items()}).reveal().decode()


class TestAsGo:
    @pytest.mark.parametrize(("text", "expected"), VECTORS["rendered"])
    def test_it_gives_the_text_that_go_gives(self, text: str, expected: str) -> None:
        assert check(text) == ()
        assert render(text, DATA).reveal() == expected.encode()

    @pytest.mark.parametrize(("text", "expected"), VECTORS["rendered_base64"])
    def test_it_gives_the_bytes_that_go_gives(self, text: str, expected: str) -> None:
        assert render(text, DATA).reveal() == base64.b64decode(expected)

    @pytest.mark.parametrize("text", VECTORS["fails"])
    def test_it_fails_where_go_fails(self, text: str) -> None:
        with pytest.raises(TemplateError):
            render(text, DATA)

    @pytest.mark.parametrize(("text", "reason"), VECTORS["refused_here"])
    def test_it_refuses_what_is_refused_on_purpose(self, text: str, reason: str) -> None:
        with pytest.raises(TemplateError):
            render(text, DATA)
        assert reason


class TestMessages:
    def test_a_missing_key_is_named_with_its_line(self) -> None:
        with pytest.raises(TemplateError, match=r"line 2: key 'password' is missing"):
            rendered("a\n{{ .password }}", user="x")

    @pytest.mark.parametrize("name", ["pkcs12key", "env", "lookup", "genCA", "uuidv4", "now", "derivePassword"])
    def test_a_refused_function_is_named_statically_and_when_rendering(self, name: str) -> None:
        text = f"\n{{{{ if false }}}}{{{{ {name} }}}}{{{{ end }}}}"
        (problem,) = check(text)
        assert problem.startswith(f"line 2: not supported by Lockstep: function {name} (")
        with pytest.raises(TemplateError, match=f"not supported by Lockstep: function {name}"):
            rendered(text)

    def test_every_problem_with_functions_is_told(self) -> None:
        assert check("{{ filterPEM . }}\n{{ with nosuch }}{{ .a | trim 1 2 | (.b | upper 5).c }}{{ end }}") == (
            "line 1: not supported by Lockstep: function filterPEM "
            "(certificates and keys are not converted here; store them in the form that consumers need)",
            "line 2: unknown function nosuch",
            "line 2: wrong number of arguments for trim: want 1, got 3",
            "line 2: wrong number of arguments for upper: want 1, got 2",
        )

    def test_a_dash_in_a_key_is_explained(self) -> None:
        assert check("{{ .my-key }}") == (
            'line 1: unexpected character U+002D after a name (a key with a dash is read with {{ index . "the-key" }})',
        )

    def test_a_template_error_is_a_rejection(self) -> None:
        assert issubclass(TemplateError, Reject)

    @pytest.mark.parametrize(
        "text",
        [
            "{{ .secret.field }}",
            "{{ index .secret 99 }}",
            "{{ .secret | b64dec }}",
            "{{ .secret | hexdec }}",
            "{{ mustFromJson .secret }}",
            "{{ fromYaml .secret }}",
            "{{ (fromJson .json).missing }}",
            "{{ fail .secret }}",
            "{{ printf .secret 1 2 }}",
            '{{ printf "%d" .secret }}',
            "{{ regexMatch .pattern .secret }}",
            "{{ range .secret }}{{ end }}",
            "{{ eq .secret 1 }}",
            "{{ repeat 99999999 .secret }}",
            '{{ indent .secret "x" }}',
            "{{ .secret .secret }}",
            "{{ slice (list .secret) 5 9 }}",
            "{{ div 1 (int .secret) }}",
            '{{ hasKey .secret "a" }}',
            "{{ dig .secret 1 }}",
            '{{ range (splitList "" .secret) }}{{ fail . }}{{ end }}',
            '{{ toJson (float64 "nan") }}{{ .secret }}',
        ],
    )
    def test_no_message_holds_a_value(self, text: str) -> None:
        values = {
            "secret": SecretValue.of(f"{CANARY}-é"),
            "json": SecretValue.of(f'{{"a":"{CANARY}"}}'),
            "pattern": SecretValue.of(f"({CANARY}"),
        }
        with pytest.raises(TemplateError) as caught:
            render(text, values)
        assert CANARY not in "".join(traceback.format_exception(caught.value))

    def test_a_literal_in_the_template_is_not_repeated(self) -> None:
        assert CANARY not in "".join(check(f'{{{{ "{CANARY}" 5 ) }}}}') + check(f'{{{{ upper "{CANARY}\\q" }}}}'))


class TestValuesAreData:
    def test_a_value_is_never_parsed(self) -> None:
        assert rendered("{{ .a }}", a="{{ .b }}{{ end }}") == "{{ .b }}{{ end }}"

    @given(st.binary(max_size=200))
    def test_any_bytes_pass_through(self, raw: bytes) -> None:
        values = {"v": SecretValue(raw)}
        assert render("{{ .v }}", values).reveal() == raw
        assert render("{{ .v | b64enc }}", values).reveal() == base64.b64encode(raw)
        assert render("{{ .v | b64enc | b64dec }}", values).reveal() == raw

    @given(st.dictionaries(st.text(max_size=8), st.binary(max_size=30), max_size=4))
    def test_keys_may_be_any_text(self, data: dict[str, bytes]) -> None:
        values = {key: SecretValue(raw) for key, raw in data.items() if not any("\ud800" <= c <= "\udfff" for c in key)}
        result = render("{{ range $k, $v := . }}{{ $v | b64enc }};{{ end }}", values).reveal()
        assert result.count(b";") == len(values)


class TestLimits:
    @pytest.mark.parametrize(
        "text",
        [
            '{{ repeat 1000000000 "x" }}',
            "{{ until 1000000000 }}",
            "{{ range 1000000000 }}{{ end }}",
            "{{ seq 1000000000 }}",
            '{{ indent 1000000000 "x" }}',
            '{{ printf "%999999d%999999d" 1 2 | repeat 9 }}',
            '{{ printf "%99999999d" 1 }}',
            "{{ untilStep 0 1000000000 1 }}",
            '{{ replace "" (repeat 4000 "x") (repeat 4000 "y") }}',
            '{{ regexReplaceAll "" (repeat 4000 "y") (repeat 4000 "x") }}',
            '{{ join (repeat 4000 "x") (until 4000) }}',
            '{{ $x := "xx" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}',
            "{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}",
            "{{ $x := list 1 }}{{ range 40 }}{{ $x = list $x $x }}{{ end }}{{ has $x (list $x) }}",
            "{{ $x := list 1 }}{{ range 40 }}{{ $x = list $x $x }}{{ end }}{{ toJson $x }}",
            "{{ $x := list 1 }}{{ range 40 }}{{ $x = list $x $x }}{{ end }}{{ toYaml $x }}",
            '{{ $x := list 1 }}{{ range 40 }}{{ $x = list $x $x }}{{ end }}{{ printf "%d" $x }}',
            "{{ $x := list 1 }}{{ range 40 }}{{ $x = concat $x $x }}{{ end }}",
            '{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}',
            '{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toJson $d }}',
            "{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}",
            '{{ range 2000 }}{{ repeat 1000 "x" }}{{ end }}',
            '{{ fromJson (repeat 100000 "[") }}',
            '{{ fromJson (printf "%s%s" (repeat 900 "[") (repeat 900 "]")) }}',
            '{{ fromYaml (printf "a: %s" (repeat 5000 "[")) }}',
            '{{ fromYaml (repeat 70000 "a") }}',
            '{{ regexMatch (repeat 2000 "a") "a" }}',
            '{{ regexMatch "((a{100}){100}){100}" "a" }}',
            '{{ regexReplaceAll "a.*b|a" (repeat 900000 "ac") "x" }}',
            "(" * 3 + "{{ " + "(" * 200 + "1" + ")" * 200 + " }}",
            "{{ if 1 }}" * 200 + "{{ end }}" * 200,
            "{{ $x := 1 }}" * 300,
            "x" * 300_000,
            '{{ $y := repeat 2000 "- a: [b, c]\n" }}{{ range 100 }}{{ fromYaml (print "x:\n" $y) }}{{ end }}',
            "{{ until 50000 | toYaml }}",
        ],
    )
    def test_what_costs_too_much_is_refused(self, text: str) -> None:
        with pytest.raises(TemplateError):
            render(text, {})

    def test_output_is_as_large_as_a_secret_may_be(self) -> None:
        size = 1024 * 1024
        assert len(render("{{ .a }}", {"a": SecretValue(b"x" * size)})) == size
        with pytest.raises(TemplateError, match="larger than 1048576 bytes"):
            render("{{ .a }}x", {"a": SecretValue(b"x" * size)})

    def test_limits_are_counted_not_timed(self) -> None:
        text = "{{ range 10 }}{{ . }}{{ end }}"
        assert render(text, {}, Limits(steps=100)).reveal() == b"0123456789"
        with pytest.raises(TemplateError, match="more than 20 steps"):
            render(text, {}, Limits(steps=20))

    def test_each_rendering_has_its_own_budget(self) -> None:
        for _ in range(5):
            assert len(render('{{ repeat 900000 "x" }}', {})) == 900_000


_PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{{- ",
        " -}}",
        "{{/*",
        "*/}}",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "break",
        "continue",
        ".a",
        ".b.c",
        ".",
        "$",
        "$x",
        " := ",
        " = ",
        "|",
        "(",
        ")",
        '"s"',
        "`r`",
        "'c'",
        "1",
        "-2.5",
        "0x1F",
        "nil",
        "true",
        " ",
        "\n",
        ",",
        "index . ",
        "list ",
        "dict ",
        "fromJson ",
        "toYaml ",
        'splitList "" ',
        'printf "%v" ',
        'regexReplaceAll "a*" ',
        "upper ",
        "len ",
        "repeat 3 ",
        "until 9",
        "default ",
        "set ",
        "text",
        "é",
    ]
)
_SMALL = Limits(output=10_000, value=20_000, work=100_000, steps=2_000)


class TestAnyText:
    @given(st.text(max_size=300))
    @example("{{ '\\u0000' | printf \"%c\" }}")
    @example("\ud800{{ .a }}")
    def test_arbitrary_text_renders_or_is_a_template_error(self, text: str) -> None:
        self._harmless(text)

    @given(st.lists(_PIECES, max_size=25).map("".join))
    def test_what_looks_like_a_template_renders_or_is_a_template_error(self, text: str) -> None:
        self._harmless(text)

    @given(st.lists(_PIECES, min_size=1, max_size=8).map(lambda pieces: "{{ " + "".join(pieces) + " }}"))
    def test_one_action_renders_or_is_a_template_error(self, text: str) -> None:
        self._harmless(text)

    def _harmless(self, text: str) -> None:
        problems = check(text)
        values = {"a": SecretValue.of(CANARY), "b": SecretValue.of(f'{{"c": "{CANARY}"}}')}
        try:
            render(text, values, _SMALL)
            told = ""
        except TemplateError as error:
            told = error.reason
        assert CANARY not in told
        assert told or not problems
