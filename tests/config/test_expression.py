from __future__ import annotations

import ast
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipmat.config.expression import FUNCTIONS, compile_expression
from lipmat.errors import InputError

NODES = (
    *(ast.Constant, ast.Name, ast.Load, ast.UnaryOp, ast.BinOp, ast.Call),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-30*sin(pi*z/12)*(y-0.5)", -30 * math.sin(math.pi * 4 / 12) * 2.5),
        ("x + y*z**2", 50.0),
        ("-x**2", -4.0),
        ("+x - -y / z", 2.75),
        ("sqrt(abs(-z)) + minimum(x, y) + maximum(x, z)", 8.0),
        ("tanh(0) + log(exp(x)) + cos(0) + tan(0)", 3.0),
        (" 7 ", 7.0),
    ],
)
def test_values(text: str, expected: float) -> None:
    value = compile_expression(text)(2.0, 3.0, 4.0)
    assert value.shape == ()
    assert float(value) == pytest.approx(expected, rel=1e-15)


def test_a_constant_takes_the_broadcast_shape() -> None:
    value = compile_expression("0")(np.zeros((3, 1)), np.zeros(4), 0.0)
    assert value.shape == (3, 4)
    assert value.dtype == np.float64


def test_other_names_in_their_order() -> None:
    assert float(compile_expression("a - b", names=("b", "a"))(1.0, 5.0)) == 4.0
    with pytest.raises(TypeError, match="expected 2 arrays"):
        compile_expression("a - b", names=("b", "a"))(1.0)


def test_no_value_gives_nan_and_huge_powers_end() -> None:
    assert np.isnan(compile_expression("sqrt(x)")(-1.0, 0.0, 0.0))
    assert np.isinf(compile_expression("9**9**9**9**9")(0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x.real", "expected arithmetic only, not 'x.real'"),
        ("__import__('os')", "unknown function '__import__'"),
        ("open(x)", "unknown function 'open'"),
        ("sin.__class__(x)", "expected arithmetic only"),
        ("sn(x)", "unknown function 'sn', did you mean 'sin'?"),
        ("sin", "unknown name 'sin'"),
        ("w + x", "unknown name 'w', known: pi, x, y, z"),
        ("x^2", "expected ** for a power, not ^"),
        ("x[0]", "expected arithmetic only"),
        ("x // 2", "expected arithmetic only"),
        ("x if y else z", "expected arithmetic only"),
        ("x < y", "expected arithmetic only"),
        ("lambda: x", "expected arithmetic only"),
        ("(x := 3)", "expected arithmetic only"),
        ("[q for q in x]", "expected arithmetic only"),
        ("True", "expected arithmetic only, not 'True'"),
        ("'x'", "expected arithmetic only"),
        ("2j", "expected arithmetic only, not '2j'"),
        ("sin(*x)", "expected arithmetic only"),
        ("sin(x, out=y)", "expected arithmetic only"),
        ("sin()", "expected 1 argument(s) of sin, got 0"),
        ("sin(x, y)", "expected 1 argument(s) of sin, got 2"),
        ("maximum(x)", "expected 2 argument(s) of maximum, got 1"),
        ("1e999", "expected finite numbers"),
        ("x = 3", "which is no arithmetic expression"),
        ("import os", "which is no arithmetic expression"),
        ("x; y", "which is no arithmetic expression"),
        ("", "which is no arithmetic expression"),
        ("x\0", "which is no arithmetic expression"),
        ("x +\n", "which is no arithmetic expression"),
        ("1 +" * 400 + "1", "expected at most 1000 characters"),
    ],
)
def test_anything_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        compile_expression(text, where="case.toml: [initial]")
    assert str(caught.value).startswith("case.toml: [initial]: found ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["(" * 400 + "x" + ")" * 400, "-" * 999 + "x", "x+" * 499 + "x"])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"nested too deeply|no arithmetic expression"):
        compile_expression(text)


def test_a_long_sum_is_not_too_deep() -> None:
    assert float(compile_expression("+".join(["x"] * 150))(2.0, 0.0, 0.0)) == 300.0


def _assert_arithmetic(text: str) -> None:
    """Check, by other means than the compiler's, that an accepted text is arithmetic."""
    for node in ast.walk(ast.parse(text.strip(), mode="eval").body):
        assert isinstance(node, NODES)
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            assert node.func.id in FUNCTIONS
            assert not node.keywords
        elif isinstance(node, ast.Name):
            assert node.id in {"x", "y", "z", "pi", *FUNCTIONS}
        elif isinstance(node, ast.Constant):
            assert type(node.value) in (int, float)


_WORDS = st.sampled_from(
    [
        *("x", "y", "pi", "q", "sin", "maximum", "open", "exec", "__class__", "lambda", "if"),
        *("1", "2.5", "1e3", "0x1", "2j", "True", "None", "'s'", "f'{x}'", "..."),
        *("+", "-", "*", "/", "**", "//", "%", "@", "^", "<", "and", "not", ":=", "=", "~"),
        *("(", ")", "[", "]", "{", "}", ",", ".", ":", " ", "\n", "*", "for", "in", "await"),
    ]
)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(_WORDS, max_size=12).map("".join)))
def test_only_arithmetic_gets_through(text: str) -> None:
    refusal = ""
    try:
        values = compile_expression(text)(np.ones(2), np.ones(2), np.ones(2))
    except InputError as error:
        refusal = str(error)
    if refusal:
        assert len(refusal.splitlines()) == 1
    else:
        _assert_arithmetic(text)
        assert values.shape == (2,)


_ARITHMETIC = st.recursive(
    st.sampled_from(["x", "y", "z", "pi", "2", "0.5"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"sin({text})"),
        inner.map(lambda text: f"tanh({text})"),
        st.tuples(inner, inner).map(lambda t: f"maximum({t[0]}, {t[1]})"),
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(_ARITHMETIC, st.tuples(*[st.floats(-3.0, 3.0)] * 3))
def test_arithmetic_has_the_value_of_python(text: str, place: tuple[float, ...]) -> None:
    names = {**FUNCTIONS, "pi": math.pi, **dict(zip("xyz", place, strict=True))}
    expected = eval(text, {"__builtins__": {}}, names)
    assert float(compile_expression(text)(*place)) == pytest.approx(float(expected), rel=1e-12)
