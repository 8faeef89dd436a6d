"""asserts.py - a test line taken apart: what the program has to evaluate, what is wanted, and how the two compare.

`assert f(3) == 9` is f(3), 9 and ==. judge.code sends f(3) to the child that runs the program, and compares the plain value that
comes back with 9 here, so the child never learns what is wanted. Nothing of a test is run in this process; its text is only parsed.

    f(x) == 9    9 == f(x)    f(x) != 9    f(x) < 9    f(x) in (1, 2)    f(x) is None    f(x)    not f(x)
    math.isclose(f(x), 1.5, rel_tol=0.1)    abs(f(x) - 1.5) < 0.1    f(x) == sys.getsizeof((1, 2))
"""
import ast
import builtins
import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass

OPERATORS = {ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
             ast.Is: operator.is_, ast.IsNot: operator.is_not, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b}


@dataclass(frozen=True)
class Test:
    """`assert f(3) == 9` taken apart."""
    expression: str               # "f(3)": for the child that has the program
    wanted: object                # 9
    other: str | None             # or, where that is no literal, its expression, for a second child, which has no program
    holds: Callable               # (value, wanted) -> does the test hold? here, on plain values
    names: tuple                  # ("f",): what the program has to define


def literal(node):
    """(is it one, its value)"""
    try:
        return True, ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None


def free_names(node):
    """The names in an expression that it does not bind itself."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    bound = {n.id for n in names if isinstance(n.ctx, ast.Store)} | {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return {n.id for n in names} - bound


def modules(expressions):
    """The modules of Python's own library that these expressions speak of."""
    return sorted({name for text in expressions for name in free_names(ast.parse(text))} & sys.stdlib_module_names)


def sides(a, b, compare):
    """-> (node that the program has to evaluate, node of what is wanted, compare(value, wanted)), whichever side is which."""
    known = [literal(node)[0] for node in (a, b)]
    if not any(known):            # then the side that speaks of Python's own names only
        known = [free_names(node) <= {*dir(builtins), *sys.stdlib_module_names} for node in (a, b)]
    if not any(known):
        raise ValueError("no side of it is a literal")
    return (a, b, compare) if known[1] else (b, a, lambda value, wanted: compare(wanted, value))


def read_test(test):
    """An assert line -> Test; ValueError with one line for a shape that is not supported. Nothing of it is run."""
    def no(why):
        raise ValueError(f"the test {test.strip()[:80]!r} cannot be used: {why}") from None

    try:
        body = ast.parse(test.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        no(f"it is no Python ({error})")
    if len(body) != 1 or not isinstance(body[0], ast.Assert):
        no("it has to be one assert")
    node = body[0].test
    try:
        if isinstance(node, ast.Compare) and len(node.ops) == 1:                              # f(x) == 9, 9 == f(x), f(x) in (1, 2)
            kind, a, b = type(node.ops[0]), node.left, node.comparators[0]
            compare = OPERATORS[kind]
            if kind in (ast.Is, ast.IsNot) and {ast.unparse(a), ast.unparse(b)}.isdisjoint(("None", "True", "False")):
                raise ValueError("`is` wants None, True or False")
            inner = a.args[0] if isinstance(a, ast.Call) and ast.unparse(a.func) == "abs" and len(a.args) == 1 else None
            if kind in (ast.Lt, ast.LtE) and isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub) and literal(b)[0]:
                most = literal(b)[1]                                                          # abs(f(x) - 1.5) < 0.1
                code, wanted, holds = sides(inner.left, inner.right, lambda value, wanted: compare(abs(value - wanted), most))
            else:
                code, wanted, holds = sides(a, b, compare)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("math.isclose", "isclose") and len(node.args) == 2:
            close = {word.arg: ast.literal_eval(word.value) for word in node.keywords}       # math.isclose(f(x), 1.5, rel_tol=0.1)
            code, wanted, holds = sides(*node.args, lambda value, wanted: math.isclose(value, wanted, **close))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):                  # not f(x)
            code, wanted, holds = node.operand, ast.Constant(False), lambda value, wanted: not value
        else:                                                                                # f(x)
            code, wanted, holds = node, ast.Constant(True), lambda value, wanted: bool(value)
    except ValueError as error:
        no(str(error))
    calls = [n for n in ast.walk(code) if isinstance(n, ast.Call)]
    if not calls:
        no("it calls no function")
    # What is compared inside the child is compared by the program's own objects: all(f(x) == y for ..), f(x) == 1 and ..
    if any(isinstance(n, (ast.Compare, ast.BoolOp, ast.NamedExpr)) and any(isinstance(c, ast.Call) for c in ast.walk(n)) for n in ast.walk(code)):
        no("compare one value with one literal")
    called = dict.fromkeys(c.func.id for c in calls if isinstance(c.func, ast.Name))
    names = tuple(name for name in called if not hasattr(builtins, name)) or tuple(called)[:1]
    known, value = literal(wanted)
    return Test(ast.unparse(code), value, None if known else ast.unparse(wanted), holds, names)


def check_tests(tests):
    """[Test, ...]; ValueError with one line that names the first test that cannot be used."""
    if not tests:
        raise ValueError("there is no test")
    return [read_test(test) for test in tests]
