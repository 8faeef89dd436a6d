"""asserts.py - a test line taken apart: what the program evaluates, what is wanted, the comparison.

`assert f(3) == 9` becomes f(3), which goes to the child that runs the program, 9 and "==", which
do not. Tests may have these shapes:

    f(x) == 9    9 == f(x)    f(x) != 9    f(x) < 9    f(x) in (1, 2)    f(x) is None
    f(x)         not f(x)     math.isclose(f(x), 1.5, rel_tol=0.1)       abs(f(x) - 1.5) < 0.1
    f(x) == sys.getsizeof((1, 2))
"""
import ast
import builtins
import math
import operator
import sys
from dataclasses import dataclass

from data.judging import sandbox

COMPARISONS = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda item, items: item in items, ast.NotIn: lambda item, items: item not in items,
}
IS_CLOSE = ("math.isclose", "isclose")
PYTHONS_OWN_NAMES = {*dir(builtins), *sys.stdlib_module_names}


@dataclass(frozen=True)
class Comparison:
    """How the two sides of a test are compared."""
    kind: str                     # "compare", "abs", "isclose" or "truth"
    sign: type = ast.Eq           # a key of COMPARISONS; for "abs" the one before the tolerance
    wanted_first: bool = False    # is the left side what is wanted?
    tolerance: object = None      # of "abs", a number; of "isclose", its named arguments


@dataclass(frozen=True)
class Test:
    """`assert f(3) == 9` taken apart."""
    expression: str               # "f(3)": for the child that has the program
    wanted: object                # 9
    wanted_code: str | None       # where that is no literal: its expression, for a second child
    comparison: Comparison
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
        return take_apart(test)
    except ValueError as error:
        reason = f"the test {test.strip()[:80]!r} cannot be used: {error}"
        raise ValueError(reason) from None


def take_apart(test):
    """An assert line -> Test. ValueError says why it cannot be used."""
    try:
        body = ast.parse(test.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it is no Python ({error})")
    if len(body) != 1 or not isinstance(body[0], ast.Assert):
        raise ValueError("it has to be one assert")
    code, wanted, comparison = split(body[0].test)
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
    if not names:                            # list(map(f, [1, 2])) calls f, but not by its name
        names = tuple(sorted(free_names(code) - PYTHONS_OWN_NAMES)) or tuple(called)[:1]
    is_literal, value = literal(wanted)
    wanted_code = None if is_literal else ast.unparse(wanted)
    return Test(ast.unparse(code), value, wanted_code, comparison, names)


def split(condition):
    """-> (node that the program evaluates, node of what is wanted, Comparison)."""
    match condition:
        # abs(f(x) - 1.5) < 0.1
        case ast.Compare(ast.Call(ast.Name("abs"), [ast.BinOp(a, ast.Sub(), b)]),
                         [ast.Lt() | ast.LtE() as sign], [tolerance]) if literal(tolerance)[0]:
            code, wanted, wanted_first = which_is_wanted(a, b)
            most = literal(tolerance)[1]
            return code, wanted, Comparison("abs", type(sign), wanted_first, most)

        # f(x) == 9, f(x) in (1, 2)
        case ast.Compare(a, [sign], [b]):
            if isinstance(sign, (ast.Is, ast.IsNot)):
                if {ast.unparse(a), ast.unparse(b)}.isdisjoint(("None", "True", "False")):
                    raise ValueError("`is` wants None, True or False")
            code, wanted, wanted_first = which_is_wanted(a, b)
            return code, wanted, Comparison("compare", type(sign), wanted_first)

        # math.isclose(f(x), 1.5, rel_tol=0.1)
        case ast.Call(function, [a, b], tolerances) if ast.unparse(function) in IS_CLOSE:
            named = {}
            for tolerance in tolerances:
                is_literal, named[tolerance.arg] = literal(tolerance.value)
                if not is_literal or tolerance.arg is None:
                    raise ValueError("its tolerance is no literal")
            code, wanted, wanted_first = which_is_wanted(a, b)
            return code, wanted, Comparison("isclose", ast.Eq, wanted_first, named)

        # not f(x)
        case ast.UnaryOp(ast.Not(), operand):
            return operand, ast.Constant(False), Comparison("truth")

    return condition, ast.Constant(True), Comparison("truth")               # f(x)


def which_is_wanted(a, b):
    """-> (node that the program evaluates, node of what is wanted, is that the left one?).

    What is wanted may stand on either side. It is a literal, or else speaks of Python's own names
    only.
    """
    a_known = literal(a)[0]
    b_known = literal(b)[0]
    if not a_known and not b_known:
        a_known = free_names(a) <= PYTHONS_OWN_NAMES
        b_known = free_names(b) <= PYTHONS_OWN_NAMES
    if b_known:
        return a, b, False
    if a_known:
        return b, a, True
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
    how = test.comparison
    first, second = (wanted, value) if how.wanted_first else (value, wanted)
    try:
        if how.kind == "truth":
            return bool(value) == wanted
        if how.kind == "isclose":
            return math.isclose(first, second, **how.tolerance)
        if how.kind == "abs":
            return bool(COMPARISONS[how.sign](abs(first - second), how.tolerance))
        return bool(COMPARISONS[how.sign](first, second))
    except Exception:             # None < 3 cannot be compared
        return False


def shortened(value):
    """A value, short enough for one line."""
    try:
        return ascii(value)[:60]
    except (ValueError, MemoryError, RecursionError):
        return "too long to print"
