"""expressions.py - read an arithmetic expression token by token, and compute it exactly.

arithmetic.py uses it for both sides of a stated equation, "12 / 2 = 6 stamps".
"""
import re
from fractions import Fraction
from typing import NamedTuple

from data.judging.numbers import VALUE, fraction

# ---- Tokens --------------------------------------------------------------------------------------

class Token(NamedTuple):
    """A piece of a line. kind: one of + - * / ( ) % = or

    number     7, $1,234.50, 1 1/2
    unit       words behind an operand, if arithmetic goes on behind them: 12 minutes / 2
    word       any other word
    unknown    a letter that stands for a number: x, 2a
    other      what is no arithmetic: 3:30, 1e5, ==, ..
    end        no token: the line begins or ends here
    """
    kind: str
    text: str
    start: int           # place in the line
    end: int


NO_TOKEN = Token("end", "", -1, -1)


# accepted   stamps   non-fiction   a day          refused   and   x (a single letter)
WORD = (r"(?:a[ ])?(?!(?:and|or|of|so|is|are|because|then|which|that)\b)"
        r"[^\W\d_](?:[^\W\d_]|['’-](?=[^\W\d_]))+")
TOKEN = re.compile(rf"""
      (?P<other>  [0-9]+(?::[0-9]+)+ | (?<![<>!=])[<>!=]+= | [=-]> | [0-9]+e[-+]?[0-9]+
                  | 0[0-9]+(?![0-9.,]) | [0-9]{{100,}} )
    | (?P<number> (?:[$€£][ ]?)?(?:{VALUE}) )
    | (?P<times>  (?:(?<=[\w)%][ ])|(?<=[0-9)%]))[xX](?=[ ]?[$€£]?[.(0-9]) )     # 2 x 3
    | (?P<of>     (?<=(?:%|[0-9])[ ])of(?=[ ][$€£]?[.(0-9]) )                    # 20% of 50
    | (?P<unit>   (?<=[0-9)%])(?:[ ]?/[ ]?|[ ]|)                     # 2 minutes/dish, $2/egg ...
                  {WORD}(?:[ ]{WORD}){{0,3}}(?:[ ]?/[ ]?{WORD})?
                  (?=[ ]{{0,3}}(?:[+*/)=≡]|-(?![^\W\d_])|x[ ][$€£]?[0-9])) )  # ... if it goes on
    | (?P<word>   [^\W\d_](?:\w|['’-](?=[^\W\d_]))* )
    | (?P<sign>   [-+*/()%=≡] )
    | (?P<rest>   [^\s$€£] )                                         # a lone $ says nothing
    """, re.VERBOSE)
# What a line begins with that is no part of an expression.
#   accepted   "- "   "* "   "## "   "1. "   "a) "   "Step 1: "          refused   "-3"   "1.5"
BULLET = re.compile(r"""
    [ \t]* (?: (?: [-*+•>] | [#]+ | \w{1,2}[.)] | step[ ][0-9]{1,3}[ ]?[-.:)] ) [ \t]+ )+""",
    re.VERBOSE | re.IGNORECASE)

OPERATORS = {"+", "-", "*", "/", "("}
ARITHMETIC = OPERATORS | {"number", "unit", ")", "%"}
LONGEST = 80             # tokens of an expression, which bounds its nesting too


def tokenize(line):
    """The Tokens of one line, without what it begins with: "1. ", "* ", "Step 2: "."""
    tokens = []
    bullet = BULLET.match(line)
    for match in TOKEN.finditer(line, bullet.end() if bullet else 0):
        kind = match.lastgroup
        text = match[0]
        if kind == "sign":
            kind = "=" if text == "≡" else text
        elif kind == "times":
            kind = "*"
        elif kind == "unit" and text.startswith("x"):  # 3xL + 2xL
            kind = "unknown"
        elif kind == "of":                             # 20% of 50, 1/2 of 50
            of_a_part = tokens and (tokens[-1].kind == "%" or "/" in tokens[-1].text)
            kind = "*" if of_a_part else "other"
        elif kind == "rest":
            kind = "other"
        elif kind == "word" and len(text) == 1:
            # x, 2a; but not 260 g, "$5 a day"
            article = text == "a" and line[match.start() - 1] == " "
            if text not in "gmlL" and not article:
                kind = "unknown"
        elif kind == "number" and "/" in text and " " in text.lstrip("$€£ "):
            # "in 20 12/2" is no mixed number
            if (fraction(text.split()[-1]) or 1) >= 1:
                kind = "other"
        tokens.append(Token(kind, text, match.start(), match.end()))
    return tokens


# ---- Expressions ---------------------------------------------------------------------------------

# Decimals of thirds, sixths, sevenths and ninths: 3.33, 0.67, 14.29
ROUNDED = re.compile(
    r"\.([0-9]*(?:33|66|67|16|17|83|14|29|43|57|71|86|11|22|44|55|56|77|78|88|89))$")


class Unparsed(Exception):
    """These tokens form no arithmetic expression."""


class Expression:
    """The exact value of a run of tokens, by recursive descent:

        total   = product {(+ | -) product}
        product = factor {(* | / | nothing, before a bracket) factor}
        factor  = (+ | -) factor  |  (number | "(" total ")") {% | unit}

    Each of the three returns (value, is it a plain percentage such as 100% - 20%?).
    Raises Unparsed; ZeroDivisionError.
    """

    def __init__(self, tokens):
        self.tokens = [*tokens, NO_TOKEN]
        self.at = 0                      # the next token to read
        self.doubt = False               # may it be meant otherwise?
        self.rounding = 0                # the share by which it may be off: 3.33 may be 10 / 3
        self.value, self.percent = self.total()
        if self.next().kind != "end":
            raise Unparsed

    def next(self):
        return self.tokens[self.at]

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def total(self):
        value, percent = self.product()
        while self.next().kind in ("+", "-"):
            operator = self.take().kind
            other, other_percent = self.product()
            if percent != other_percent:               # 50 - 20%: per cent of what?
                self.doubt = True
            value = value + other if operator == "+" else value - other
            percent = percent and other_percent
        return value, percent

    def product(self):
        value, percent = self.factor()
        while self.next().kind in ("*", "/", "("):
            operator = "*" if self.next().kind == "(" else self.take().kind
            first = self.next()
            place = self.at
            other, other_percent = self.factor()
            if operator == "*":
                value *= other
                percent = other_percent and other == 1             # 1 / 4 * 100%
            else:
                value /= other
                percent = False
                if "/" in first.text or self.next().kind == "(":   # 10 / 1/2, 12 / 2(3)
                    self.doubt = True
                if self.is_rate(place):
                    self.doubt = True
        return value, percent

    def is_rate(self, place):
        """Does "unit/number" end at this place, without a space, as in 3 pages/10 minutes?"""
        if place < 2 or self.tokens[place - 2].kind != "unit":
            return False
        unit, sign, number = self.tokens[place - 2:place + 1]
        return unit.end == sign.start and sign.end == number.start

    def factor(self):
        token = self.take()
        if token.kind in ("+", "-"):
            value, percent = self.factor()
            return (value if token.kind == "+" else -value), percent
        if token.kind == "(":
            value, percent = self.total()
            if self.take().kind != ")":
                raise Unparsed
        elif token.kind == "number":
            value = fraction(token.text)
            percent = False
            decimals = ROUNDED.search(token.text)
            if decimals and value:
                half_a_digit = Fraction(1, 2 * 10 ** len(decimals[1]))
                self.rounding = max(self.rounding, half_a_digit / value)
            if value is None:
                raise ZeroDivisionError
        else:
            raise Unparsed
        while self.next().kind in ("%", "unit"):
            if self.take().kind == "%":
                value /= 100
                percent = True
        return value, percent


def readings(tokens):
    """What a stated result may mean: [(value, digits shown behind the point, or None), ..].

    Digits are known only of a single decimal number. 20% may mean 1/5, or 20 as in 10 / 50 * 100.
    """
    value = Expression(tokens).value
    numbers = [token.text for token in tokens if token.kind == "number"]
    digits = None
    if len(numbers) == 1 and "/" not in numbers[0]:
        digits = len(numbers[0].partition(".")[2])
    if tokens[-1].kind != "%":
        return [(value, digits)]
    digits_of_share = None if digits is None else digits + 2
    return [(value, digits_of_share), (value * 100, digits)]


def agrees(value, stated, digits):
    """Is `stated` the exact value, or the value to the digits shown?

    It may be rounded (10 / 3 = 3.33) or cut off behind the point (2 / 3 = 0.66). But what two
    decimals hold exactly is no whole number: 25 / 2 = 13 is a mistake.
    """
    if value == stated:
        return True
    if digits is None:
        return False
    if digits == 0 and (100 * value).denominator == 1:
        return False
    unit = Fraction(1, 10 ** digits)
    rounded = abs(value - stated) <= unit / 2
    cut_off = digits > 0 and 0 <= value - stated < unit
    return rounded or cut_off
