"""arithmetic.py - read the equations that a text states, "12 / 2 = 6 stamps", and check each.

A step is the longest arithmetic expression left of a `=` on one line, with the result right of it.
It is read token by token and computed exactly, in fractions (expressions.py).

People write loosely ("half of 12 + 4 = 10", "2 hours + 30 minutes = 150 minutes"). So a step that
does not compute counts as wrong only if nothing about it is in doubt. Doubtful steps are ignored,
and so is everything that is no expression. The cases are in data/judging/cases.jsonl, and
tests/check_gsm8k_golds.py measures this file on the official golds of GSM8K.
"""
import re
from typing import NamedTuple

from data.judging.expressions import (
    ARITHMETIC, LONGEST, NO_TOKEN, OPERATORS, Expression, Unparsed, agrees, readings, tokenize,
)
from data.judging.numbers import LARGER, fraction

# A division with a remainder, or one that is rounded.
#   accepted   17 / 5 = 3 with 2 left      3 full boxes and 2 left over      3 R2      3 (rounded)
#   refused    17 / 5 = 3 left
LEFT_OVER = re.compile(r"""
    [ ]? (?: [a-z]+[ ] ){0,2}? [,;(]? [ ]?
    (?: (?: with | and )[ ] (?: an?[ ] )? (?: [0-9]+[ ] )? (?: [a-z]+[ ] )? (?: left | remain )
      | (?: [0-9]+[ ] )? (?: [a-z]+[ ] )? (?: left[ ]over | remain )
      | round | R[ ]?[0-9] )""", re.VERBOSE)

# Words that make a step doubtful, by where they stand.
SCALE_WORDS = {"dozen", "hundred", "thousand", "million", "billion"}
OPERATIONS = {
    "half", "third", "quarter", "twice", "double", "triple", "times", "plus", "minus", "less",
    "more", "than", "divided", "multiplied",
}

# Units of which one is so many of another, without their last s: 2 hours + 30 minutes.
MEASURES = SCALE_WORDS | {word.rstrip("s") for word in LARGER} | set("""
    second cent inche inch ft km m cm mm kg g gram ounce oz lb liter litre l ml gallon quart pint
    cup hr min sec pair box boxe pack package case bag bottle set quarter dime nickel penny pennie
    pizza pie cake slice piece kilometer meter centimeter kilogram decade century""".split())
# How many of one are one of the other.
FACTORS = {2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 25, 30, 36, 50, 52, 60, 100, 365, 1000, 3600, 5280,
           10**6, 10**9}


class Step(NamedTuple):
    """A stated equation."""
    expression: str      # "12 / 2"
    stated: str          # "6"
    right: bool
    values: tuple        # what the stated result may mean: "20%" is 1/5, or 20


def joined(a, b):
    """May these neighbours stand in one expression? Two operands only as in 3(4) and (3)(4)."""
    if a.kind in ("number", "%", "unit", ")") and b.kind in ("number", "("):
        return b.kind == "(" and a.end == b.start and a.kind != "unit"
    return True


def run_beside(tokens, equals, direction):
    """The index of the last token of the arithmetic that touches the `=`, left (-1) or right (1).

    It ends where a bracket is open on one side only, and is at most LONGEST tokens long.
    """
    depth = 0
    last = equals
    while abs(last - equals) < LONGEST:
        token = tokens[last + direction]
        if token.kind == "(":
            depth += direction
        elif token.kind == ")":
            depth -= direction
        if token.kind not in ARITHMETIC or depth < 0:
            break
        neighbours = (tokens[last], token) if direction == 1 else (token, tokens[last])
        if last != equals and not joined(*neighbours):
            break
        last += direction
    return last


def doubtful_before(tokens, first, in_words):
    """May the words before tokens[first], where an expression begins, belong to it?

    in_words: the step says "is" and not "=".
    """
    before2, before, token = tokens[first - 2:first + 1]
    word = before.text.lower()
    attached = before.end == token.start
    return (
        word in OPERATIONS or word.rstrip("s") in SCALE_WORDS                   # twice 12 + 4
        or word in ("of", "by") and (in_words or before2.text.lower() in OPERATIONS)   # half of 12
        or before.kind == "word" and before2.kind in OPERATORS             # 5 + his 1 + 3
        or before.kind in ARITHMETIC and before.kind != "("                # 7 2 + 3
        or before.kind == "unknown" or word in ("^", "√")                  # x 2 + 3
        or word in LARGER and before2.kind == "number"                     # 1 hour 30 minutes + 5
        or attached and word not in tuple("([{:;'\"`=_|")                  # f(3), 1,2, 5:30
        or word == "and" and "/" in token.text                             # 5 and 2/3 + 1
    )


def doubtful_after(tokens, last, in_words):
    """May the words after tokens[last], where a stated result ends, belong to it?"""
    after, after2 = tokens[last + 1:last + 3]
    in_brackets = after.kind == "(" and after2.kind == "word"              # 13 (pens)
    result_is_rate = (
        tokens[last].kind == "unit" and after.kind == "/" and after2.kind == "word")  # 13 pens/box
    goes_on = after.kind in ARITHMETIC and after.kind != ")"               # 24/Y
    return (
        goes_on and not in_brackets and not result_is_rate
        or after.kind == "unknown"                                         # 2x
        or after.text[:1] in tuple("^!0123456789")                         # 10^2, 18 000
        or after.text.lower() in LARGER and after2.kind == "number"        # 1 hour 30 minutes
        or after.text == after2.text == "."                                # 0.333...
        or after.text == "and" and "/" in after2.text                      # = 5 and 2/3
        or in_words and after.text in OPERATIONS                           # is 2 more than 5
    )


def unit_words(token):
    """The words of a unit without their s; "dollar" for a $."""
    if token.kind == "unit":
        return [word.rstrip("s") for word in re.findall(r"\w+", token.text.lower())]
    return ["dollar"] if "$" in token.text else []


def doubtful_units(left, right, after, value, result):
    """May the units of an expression and its result, and the word after it, change the sum?

    value, result: what was computed, and what is stated.
    """
    units = {unit_words(token)[-1] for token in left if unit_words(token)}      # their last words
    words = {word for token in left for word in unit_words(token)}
    result_words = {word for token in right for word in unit_words(token)}
    result_words.add(after.text.lower().rstrip("s"))
    if (words | result_words) & {"remainder", "halve"}:
        return True
    adds = any(token.kind in ("+", "-") for token in left)
    measures = words & MEASURES
    if adds and measures and (len(units) > 1 or (words | result_words) & SCALE_WORDS):
        return True                                    # 2 hours + 30 minutes
    other_measures = result_words & MEASURES - measures
    scaled = measures and other_measures or (words | result_words) & SCALE_WORDS
    if not value or not result or not scaled:
        return False
    factor = abs(value / result)
    return factor in FACTORS or 1 / factor in FACTORS  # 2 km / 4 = 500 m


def computes(left, before, in_words):
    """Is the left side of a `=` a sum, and not only a number: 5 apples = 5 apples?

    A fraction is one (1/2 = 0.5), and so is a number behind another `=` (6 + 7 = 13 = 14). But
    "1/2 is 6 apples" says what a share comes to.
    """
    if any(token.kind in OPERATORS for token in left[1:]):
        return True
    if len(left) != 1 or in_words:
        return False
    ends_chain = before.text == "=" and left[0].text.isdecimal()
    return ends_chain or "/" in left[0].text


def beginning_of(right, in_chain):
    """The number with which a right side begins that goes on: 12 of 12 * 2.

    in_chain: another = follows; then it is also 56 of 56/8.
    -> a list like that of `readings`, empty where nothing goes on.
    """
    if right[0].kind != "number" or (len(right) == 1 and not in_chain):
        return []
    operators = [i for i, token in enumerate(right) if i and token.kind in OPERATORS]
    beginning = readings(right[:operators[0]]) if operators else []
    numerator, slash, _ = right[0].text.partition("/")
    if in_chain and slash and " " not in right[0].text:
        beginning.append((fraction(numerator), 0))
    return beginning


def nearly_right(expression, left, stated):
    """Is a result right if it is meant a little otherwise: 3.33 * 18 = 60, or 20% * 60% = 12?"""
    value = expression.value
    in_percent = [token.kind for token in left].count("%") > 1
    for result, digits in stated:
        if digits == 0 and abs(value - result) <= abs(value) * expression.rounding:
            return True
        if in_percent and agrees(100 * value, result, digits):
            return True
    return False


def step_at(line, tokens, equals):
    """The Step around the `=` at this index; None where the text does not surely state one."""
    first = run_beside(tokens, equals, -1)
    last = run_beside(tokens, equals, 1)
    while tokens[last].kind in OPERATORS:              # "= 12 - the rest": 12
        last -= 1
    left = tokens[first:equals]
    right = tokens[equals + 1:last + 1]
    before = tokens[first - 1]
    after = tokens[last + 1]
    if not left or not right:
        return None

    # "Total - 3 * 4 = 12", "- 3 * 4 = 12": a dash, perhaps.
    apart = left[0].end < tokens[first + 1].start
    begins_with_dash = left[0].kind in ("+", "-") and (before.kind == "word" or apart)
    if begins_with_dash:
        left = left[1:]
    in_words = tokens[equals].text == "≡"              # 4 times 9 is 36
    if not computes(left, before, in_words):
        return None

    expression_text = line[left[0].start:left[-1].end]
    stated_text = line[right[0].start:right[-1].end]
    begins_right = False                               # "3 + 4 = 7 - 2 of them" is no mistake
    kinds = [token.kind for token in left]
    divides = "/" in kinds
    multiplies = "*" in kinds
    try:
        expression = Expression(left)
        stated = readings(right)
        if right[-1].kind == "%" and abs(stated[1][0]) < 1 and divides and not multiplies:
            stated = stated[:1]                        # 20 / 100 is not 0.2%
        in_chain = after.kind == "="
        beginning = beginning_of(right, in_chain)
        if in_chain:
            stated += beginning                        # a running chain: 3 * 4 = 12 * 2 = 24
        elif beginning:
            begins_right = agrees(expression.value, *beginning[0])
    except Unparsed:
        return None
    except ZeroDivisionError:
        return Step(expression_text, stated_text, False, ())

    values = [expression.value]
    if expression.percent and right[-1].kind != "%":
        values.append(expression.value * 100)          # 100% - 20% = 80
    right_result = any(agrees(value, *reading) for value in values for reading in stated)
    if not right_result:
        left_over = divides and LEFT_OVER.match(line, right[-1].end)       # = 3 with 2 left
        if begins_with_dash or begins_right or left_over or expression.doubt:
            return None
        if nearly_right(expression, left, stated):
            return None
        if doubtful_before(tokens, first, in_words) or doubtful_after(tokens, last, in_words):
            return None
        if doubtful_units(left, right, after, expression.value, stated[0][0]):
            return None
    meanings = tuple(value for value, _ in stated)
    return Step(expression_text, stated_text, right_result, meanings)


# What is written in other ways, made plain before the text is cut into lines. In this order.
WRITTEN_OTHERWISE = [(re.compile(pattern), new) for pattern, new in (
    (r"\\boxed ?\{([^{}\n]{1,60})\}", r"\1"),
    (r"\n\s{0,60}(?==[ \t]*[$€£]?[-0-9(.])", " "),                       # a line that begins with =
    (r"(?<==)[ \t]*\n[ \t]*(?=[$€£]?[0-9(])", " "),                     # or ends with it
    (r"= ?(?:about|approximately|around|roughly|only|exactly) ", "= "),
)]
# Operators in words; "≡" is a = in words: 4 times 9 is 36.
OPERATOR_WORDS = {
    "times": "*", "multiplied by": "*", "divided by": "/", "plus": "+", "minus": "-",
    "is": "≡", "is equal to": "≡", "equals": "≡", "gives": "≡", "makes": "≡",
}
OPERATOR_IN_WORDS = re.compile(
    rf"(?<=[\w)%]) ({'|'.join(sorted(OPERATOR_WORDS, reverse=True))}) (?=[$€£]?[0-9(])")
MAY_STATE = re.compile("[^=]*=|[^-+*/]*[-+*/].* ≡")
CALCULATOR = re.compile("<<([^<>\n]*)>>")             # as in GSM8K's golds: 48/2 = <<48/2=24>>24


def sign_of(match):
    return f" {OPERATOR_WORDS[match[1]]} "


def stated_steps(text):
    """Yield every Step that a plain text surely states, in order."""
    notes = CALCULATOR.findall(text)
    if notes:
        text = "\n".join([CALCULATOR.sub("", text), *notes])
    for pattern, new in WRITTEN_OTHERWISE:
        text = pattern.sub(new, text)
    text = OPERATOR_IN_WORDS.sub(sign_of, text)
    for line in text.split("\n"):
        if not MAY_STATE.match(line):
            continue
        beyond = [NO_TOKEN] * 2
        tokens = beyond + tokenize(line) + beyond
        for i, token in enumerate(tokens):
            if token.kind == "=":
                step = step_at(line, tokens, i)
                if step:
                    yield step
