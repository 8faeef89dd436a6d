"""asserts.py - a test line taken apart: what the program evaluates, what is wanted, the comparison.

`assert f(3) == 9` becomes f(3), 9 and "value == wanted". judge.code sends f(3) to the child that
runs the program, and compares the plain value that comes back with 9 here, so the child never
learns what is wanted. Tests may have these shapes:

    f(x) == 9    9 == f(x)    f(x) != 9    f(x) < 9    f(x) in (1, 2)    f(x) is None
    f(x)         not f(x)     math.isclose(f(x), 1.5, rel_tol=0.1)       abs(f(x) - 1.5) < 0.1
    f(x) == sys.getsizeof((1, 2))
"""
import ast
import builtins
import math
import sys
from dataclasses import dataclass

from data.judging import sandbox

SYMBOLS = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}
IS_CLOSE = ("math.isclose", "isclose")
PYTHONS_OWN_NAMES = {*dir(builtins), *sys.stdlib_module_names}


@dataclass(frozen=True)
class Test:
    """`assert f(3) == 9` taken apart."""
    expression: str               # "f(3)": for the child that has the program
    wanted: object                # 9
    wanted_code: str | None       # where that is no literal: its expression, for a second child
    comparison: str               # "value == wanted"
    names: tuple                  # ("f",): what the program has to define


# ---- Reading a test ------------------------------------------------------------------------------

def check_tests(tests):
    """Assert lines -> [Test, ..]. ValueError: one line, for the first that cannot be used."""
    if not tests:
        raise ValueError("there is no test")
    return [read_test(test) for test in tests]


def read_test(test):
    """An assert line -> Test. ValueError: one line, for a shape that is not supported."""
    try:
        return take_apart(condition_of(test))
    except ValueError as error:
        reason = f"the test {test.strip()[:80]!r} cannot be used: {error}"
        raise ValueError(reason) from None


def condition_of(test):
    """The condition of an assert line, as a syntax tree."""
    try:
        body = ast.parse(test.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it is no Python ({error})")
    if len(body) != 1 or not isinstance(body[0], ast.Assert):
        raise ValueError("it has to be one assert")
    return body[0].test


def take_apart(condition):
    """The condition of an assert -> Test. ValueError says why it cannot be used."""
    code, wanted, comparison = split(condition)
    calls = [node for node in ast.walk(code) if isinstance(node, ast.Call)]
    if not calls:
        raise ValueError("it calls no function")
    # Not all(f(x) == y for ..), and not f(x) == 1 and ..: a comparison inside the child is made by
    # the program's own objects, which may be equal to everything.
    for node in ast.walk(code):
        if isinstance(node, (ast.Compare, ast.BoolOp, ast.NamedExpr)):
            if any(isinstance(part, ast.Call) for part in ast.walk(node)):
                raise ValueError("compare one value with one literal")
    called = dict.fromkeys(call.func.id for call in calls if isinstance(call.func, ast.Name))
    names = tuple(name for name in called if not hasattr(builtins, name))
    if not names:
        names = tuple(called)[:1]
    is_literal, value = literal(wanted)
    wanted_code = None if is_literal else ast.unparse(wanted)
    return Test(ast.unparse(code), value, wanted_code, comparison, names)


def split(condition):
    """-> (node that the program evaluates, node of what is wanted, comparison of their values).

    The comparison is a text of the names value and wanted, literals, abs and isclose.
    """
    match condition:
        # abs(f(x) - 1.5) < 0.1
        case ast.Compare(ast.Call(ast.Name("abs"), [ast.BinOp(a, ast.Sub(), b)]),
                         [ast.Lt() | ast.LtE() as operator], [tolerance]) if literal(tolerance)[0]:
            code, wanted, first, second = which_is_wanted(a, b)
            most = f"{SYMBOLS[type(operator)]} {ast.unparse(tolerance)}"
            return code, wanted, f"abs({first} - {second}) {most}"

        # f(x) == 9, f(x) in (1, 2)
        case ast.Compare(a, [operator], [b]):
            symbol = SYMBOLS[type(operator)]
            if symbol in ("is", "is not"):
                if {ast.unparse(a), ast.unparse(b)}.isdisjoint(("None", "True", "False")):
                    raise ValueError("`is` wants None, True or False")
            code, wanted, first, second = which_is_wanted(a, b)
            return code, wanted, f"{first} {symbol} {second}"

        # math.isclose(f(x), 1.5, rel_tol=0.1)
        case ast.Call(function, [a, b], tolerances) if ast.unparse(function) in IS_CLOSE:
            if not all(literal(tolerance.value)[0] for tolerance in tolerances):
                raise ValueError("its tolerance is no literal")
            code, wanted, first, second = which_is_wanted(a, b)
            arguments = [first, second, *[ast.unparse(tolerance) for tolerance in tolerances]]
            return code, wanted, f"isclose({', '.join(arguments)})"

        # not f(x)
        case ast.UnaryOp(ast.Not(), operand):
            return operand, ast.Constant(False), "not value"

    return condition, ast.Constant(True), "value"                          # f(x)


def which_is_wanted(a, b):
    """-> (node that the program evaluates, node of what is wanted, name of a, name of b).

    What is wanted may stand on either side. It is a literal, or else speaks of Python's own names
    only.
    """
    a_known = literal(a)[0]
    b_known = literal(b)[0]
    if not a_known and not b_known:
        a_known = free_names(a) <= PYTHONS_OWN_NAMES
        b_known = free_names(b) <= PYTHONS_OWN_NAMES
    if b_known:
        return a, b, "value", "wanted"
    if a_known:
        return b, a, "wanted", "value"
    raise ValueError("no side of it is a literal")


def literal(node):
    """(is it a literal, its value)"""
    try:
        return True, ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None


def free_names(node):
    """The names in an expression that it does not bind itself."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    arguments = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return {n.id for n in names} - stored - arguments


# ---- Comparing -----------------------------------------------------------------------------------

def wanted_values(tests):
    """What these Tests want -> sandbox.Outcome: a value for each, or the rule that says why not.

    Most have it as a literal. Where one has not, as in f(4) == len(str(10**7)), that side is
    evaluated in a second child, which has no program.
    """
    expressions = [test.wanted_code for test in tests if test.wanted_code]
    if not expressions:
        return sandbox.Outcome("ok", tuple(test.wanted for test in tests), "")
    names = set()
    for expression in expressions:
        names |= free_names(ast.parse(expression))
    modules = sorted(names & sys.stdlib_module_names)
    imports = "".join(f"import {name}\n" for name in modules)
    outcome = sandbox.run(imports, expressions)
    if outcome.rule != "ok" or any(isinstance(value, sandbox.NoValue) for value in outcome.values):
        rule = "harness" if outcome.rule == "harness" else "bad test"
        return sandbox.Outcome(rule, (), f"no expected value: {expressions[0][:80]}")
    computed = iter(outcome.values)
    values = tuple(next(computed) if test.wanted_code else test.wanted for test in tests)
    return sandbox.Outcome("ok", values, "")


def test_holds(test, value, wanted):
    """Does the test hold for the plain value that the program gave?"""
    names = {"value": value, "wanted": wanted, "abs": abs, "isclose": math.isclose}
    try:
        return bool(eval(test.comparison, {"__builtins__": {}}, names))
    except Exception:             # None < 3 cannot be compared
        return False


def shortened(value):
    """A value, short enough for one line."""
    try:
        return ascii(value)[:60]
    except (ValueError, MemoryError, RecursionError):
        return "too long to print"
