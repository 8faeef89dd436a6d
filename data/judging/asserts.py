"""asserts.py - a test line taken apart: what the program evaluates, what is wanted, the comparison.

`assert f(3) == 9` is f(3), 9 and ==. judge.code sends f(3) to the child that runs the program, and
compares the plain value that comes back with 9 here. So the child never learns what is wanted.
Nothing of a test is run in this process; its text is only parsed. Tests may have these shapes:

    f(x) == 9    9 == f(x)    f(x) != 9    f(x) < 9    f(x) in (1, 2)    f(x) is None
    f(x)         not f(x)     math.isclose(f(x), 1.5, rel_tol=0.1)       abs(f(x) - 1.5) < 0.1
    f(x) == sys.getsizeof((1, 2))
"""
import ast
import builtins
import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from data.judging import sandbox


def is_in(a, b):
    return a in b


def is_not_in(a, b):
    return a not in b


OPERATORS = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: is_in,
    ast.NotIn: is_not_in,
}
PYTHONS_OWN_NAMES = {*dir(builtins), *sys.stdlib_module_names}


@dataclass(frozen=True)
class Test:
    """`assert f(3) == 9` taken apart."""
    expression: str               # "f(3)": for the child that has the program
    wanted: object                # 9
    other: str | None             # where that is no literal: its expression, for a second child
    holds: Callable               # (value, wanted) -> does the test hold? Here, on plain values
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
        return take_apart(the_assert(test))
    except ValueError as error:
        reason = f"the test {test.strip()[:80]!r} cannot be used: {error}"
        raise ValueError(reason) from None


def the_assert(test):
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
    code, wanted, holds = compared(condition)
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
    other = None if is_literal else ast.unparse(wanted)
    return Test(ast.unparse(code), value, other, holds, names)


def compared(condition):
    """-> (node that the program evaluates, node of what is wanted, comparison(value, wanted))."""
    if isinstance(condition, ast.Compare) and len(condition.ops) == 1:     # f(x) == 9, f(x) in (1,)
        return compared_by_operator(condition)

    if isinstance(condition, ast.Call) and len(condition.args) == 2:       # math.isclose(f(x), 1.5)
        if ast.unparse(condition.func) in ("math.isclose", "isclose"):
            tolerance = {word.arg: ast.literal_eval(word.value) for word in condition.keywords}

            def is_close(value, wanted):
                return math.isclose(value, wanted, **tolerance)
            return sides(*condition.args, is_close)

    if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not):       # not f(x)
        return condition.operand, ast.Constant(False), is_false

    return condition, ast.Constant(True), is_true                                      # f(x)


def compared_by_operator(condition):
    """The same of a condition with one operator."""
    kind = type(condition.ops[0])
    compare = OPERATORS[kind]
    left = condition.left
    right = condition.comparators[0]
    if kind in (ast.Is, ast.IsNot):
        if {ast.unparse(left), ast.unparse(right)}.isdisjoint(("None", "True", "False")):
            raise ValueError("`is` wants None, True or False")

    difference = inside_abs(left)
    is_literal, most = literal(right)
    if kind in (ast.Lt, ast.LtE) and difference and is_literal:            # abs(f(x) - 1.5) < 0.1
        def is_near(value, wanted):
            return compare(abs(value - wanted), most)
        return sides(difference.left, difference.right, is_near)
    return sides(left, right, compare)


def inside_abs(node):
    """The subtraction in abs(a - b); None for any other expression."""
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != "abs" or len(node.args) != 1:
        return None
    inner = node.args[0]
    if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub):
        return inner
    return None


def is_true(value, wanted):
    return bool(value)


def is_false(value, wanted):
    return not value


def sides(a, b, compare):
    """-> (node that the program evaluates, node of what is wanted, compare(value, wanted)).

    What is wanted may stand on either side.
    """
    a_known = literal(a)[0]
    b_known = literal(b)[0]
    if not a_known and not b_known:      # then the side that speaks of Python's own names only
        a_known = free_names(a) <= PYTHONS_OWN_NAMES
        b_known = free_names(b) <= PYTHONS_OWN_NAMES
    if b_known:
        return a, b, compare
    if a_known:
        def compare_turned(value, wanted):
            return compare(wanted, value)
        return b, a, compare_turned
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
    expressions = [test.other for test in tests if test.other]
    if not expressions:
        return sandbox.Outcome("ok", tuple(test.wanted for test in tests), "")
    imports = "".join(f"import {name}\n" for name in modules(expressions))
    outcome = sandbox.run(imports, expressions)
    reason = f"no expected value: {expressions[0][:80]}"
    if outcome.rule == "harness":
        return sandbox.Outcome("harness", (), reason)
    if outcome.rule != "ok" or any(isinstance(value, sandbox.NoValue) for value in outcome.values):
        return sandbox.Outcome("bad test", (), reason)
    computed = iter(outcome.values)
    values = tuple(next(computed) if test.other else test.wanted for test in tests)
    return sandbox.Outcome("ok", values, "")


def modules(expressions):
    """The modules of Python's own library that these expressions speak of."""
    names = set()
    for text in expressions:
        names |= free_names(ast.parse(text))
    return sorted(names & sys.stdlib_module_names)


def test_holds(test, value, wanted):
    """Does the test hold for the plain value that the program gave?"""
    try:
        return bool(test.holds(value, wanted))
    except Exception:             # None < 3 cannot be compared
        return False


def shown(value):
    """A value, short enough for one line."""
    try:
        return ascii(value)[:60]
    except (ValueError, MemoryError, RecursionError):
        return "too long to print"
