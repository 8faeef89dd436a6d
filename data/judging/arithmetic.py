"""arithmetic.py - read the equations that a text states, "12 / 2 = 6 stamps", and check each.

A step is the longest arithmetic expression left of a `=` on one line, with the result that stands
right of it. It is read token by token and computed exactly, in fractions: no eval, no floats.

People write loosely ("half of 12 + 4 = 10", "2 hours + 30 minutes = 150 minutes"). So a step that
does not compute counts as wrong only if nothing about it is in doubt. Doubtful steps are ignored,
and so is everything that is no expression. judge.steps uses this; the cases are in data/judging/cases.py,
and tests/check_gsm8k_golds.py measures it on the official golds of GSM8K.
"""
import re
from fractions import Fraction
from typing import NamedTuple

# ---- Plain text ----------------------------------------------------------------------------------

CHARACTERS = str.maketrans({
    "−": "-", "–": "-",
    "×": "*", "·": "*", "⋅": "*", "∗": "*",
    "÷": "/", "⁄": "/",
    "≈": "=",
    "½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ",                # spaces that do not break
    "\r": "\n",
    "\u200b": "", "°": "",
})
# 18 000, with a space that does not break, is 18,000.
THIN_SPACE = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
# Replacements, in this order.
MARKUP = [(re.compile(pattern), new) for pattern, new in (
    (r"(?<=[0-9)])\*\*(?=[0-9(])| \*\* (?=[0-9(])", "^"),                # 2**3 is a power,
    (r"\*\*", ""),                                                       # any other ** is bold type
    (r"\\(?:times|cdot)(?![a-z])", "*"),
    (r"\\div(?![a-z])", "/"),
    (r"\\approx(?![a-z])", "="),
    (r"\{,\}", ","),                                                     # 1{,}250
    (r" {0,3}\\(?:text|mathrm|mathbf)\{ {0,3}([^{}\n]{0,60}?) {0,3}\}", r" \1"),
    (r"(?<=[0-9]),?\\[,!](?=[0-9]{3}(?![0-9]))", ","),                   # 18\,000
    (r"\^ ?(?:\{ ?\\circ ?\}|\\circ(?![a-z]))", ""),                     # 90^\circ
    (r"(?i)\bnegative (?=[$€£]?[0-9])", "-"),
    (r"\\[dt]?frac([0-9])([0-9])", r" \1/\2"),                           # \frac12
    (r"\\[dt]?frac\{(-?[0-9]{1,30})\}\{([0-9]{1,30})\}", r" \1/\2"),     # \frac{1}{2}
    (r"\\[dt]?frac\{([^{}\n]{1,60})\}\{([^{}\n]{1,60})\}", r" ((\1)/(\2))"),
    (r"\\\\", "\n"),
    (r"\\(?:left|right|quad)(?![a-z])|\\[,;!()\[\]]|&", " "),
    (r"\\([$%])", r"\1"),
    (r"(?<=[0-9]) per ?cent\b", "%"),
)]


def plain(text):
    """The text with one minus sign, * and / as operators, no bold type, common LaTeX resolved.

    It is applied once: a second time could change the text again.
    """
    text = THIN_SPACE.sub(",", text).translate(CHARACTERS)
    for pattern, new in MARKUP:
        text = pattern.sub(new, text)
    return text


# ---- Numbers -------------------------------------------------------------------------------------
# Repetitions are bounded wherever two of them could share characters, so no text makes a pattern
# slow. Spaces are written [ ], so that these two also fit into verbose patterns.

# accepted   7   1,234.50   .5             refused   1,23   7.
DECIMAL = (r"(?:(?:[0-9]{1,3}(?:,[0-9]{3}){1,9}(?![0-9])|[0-9]{1,30}(?![0-9]))"
           r"(?:\.[0-9]{1,30}(?![0-9]))?"
           r"|\.[0-9]{1,30}(?![0-9]))")
# accepted   1 1/2   1/2   7               refused   1/2% (here only the 1)
VALUE = (r"(?:(?:[0-9]{1,30}[ ]{1,3})?[0-9]{1,30}/[0-9]{1,30}(?![0-9]|[ ]?%|[.,][0-9])"
         rf"|{DECIMAL})")


def fraction(amount):
    """'-$1,234.50' -> Fraction(-2469, 2), '1 1/2' -> Fraction(3, 2), '1/0' -> None."""
    sign = -1 if "-" in amount else 1
    parts = re.sub("[-+$€£,]", "", amount).split()
    try:
        return sign * sum(Fraction(part) for part in parts)
    except ZeroDivisionError:
        return None


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


class Step(NamedTuple):
    """A stated equation."""
    expression: str      # "12 / 2"
    stated: str          # "6"
    right: bool
    values: tuple        # what the stated result may mean: "20%" is 1/5, or 20


# accepted   stamps   non-fiction   a day          refused   and   x (a single letter)
WORD = (r"(?:a[ ])?(?!(?:and|or|of|so|is|are|because|then|which|that)\b)"
        r"[^\W\d_](?:[^\W\d_]|['’-](?=[^\W\d_]))+")
TOKEN = re.compile(rf"""
      (?P<other>  [0-9]+(?::[0-9]+)+ | [<>!=]+= | [=-]> | [0-9]+e[-+]?[0-9]+
                  | 0[0-9]+(?![0-9.,]) | [0-9]{{31,}} )
    | (?P<number> (?:[$€£][ ]?)?(?:{VALUE}) )
    | (?P<times>  (?:(?<=[\w)%][ ])|(?<=[0-9)%]))[xX](?=[ ]?[$€£]?[.(0-9]) )     # 2 x 3
    | (?P<of>     (?<=(?:%|[0-9])[ ])of(?=[ ][$€£]?[.(0-9]) )                    # 20% of 50
    | (?P<unit>   (?<=[0-9)%])(?:[ ]?/[ ]?|[ ]|)                     # 2 minutes/dish, $2/egg ...
                  {WORD}(?:[ ]{WORD}){{0,3}}(?:[ ]?/[ ]?{WORD})?
                  (?=[ ]{{0,3}}(?:[+*/)=]|-(?![^\W\d_])|x[ ][$€£]?[0-9])) )  # ... if it goes on
    | (?P<word>   [^\W\d_](?:\w|['’-](?=[^\W\d_]))* )
    | (?P<sign>   [-+*/()%=] )
    | (?P<money>  [$€£] )
    | (?P<rest>   \S )""", re.VERBOSE)
# What a line begins with that is no part of an expression.
#   accepted   "- "   "* "   "## "   "1. "   "a) "   "Step 1: "          refused   "-3"   "1.5"
BULLET = re.compile(r"""
    [ \t]* (?: (?: [-*+•>] | [#]+ | \w{1,2}[.)] | step[ ][0-9]{1,3}[ ]?[-.:)] ) [ \t]+ )+""",
    re.VERBOSE | re.IGNORECASE)
# A division with a remainder.
#   accepted   17 / 5 = 3 with 2 left      3 and 2 left over      3 R2          refused   3 left
LEFT_OVER = re.compile(r"""
    [ ]? (?: [a-z]+[ ] )?
    (?: (?: with | and )[ ] (?: an?[ ] )? (?: [0-9]+[ ] )? (?: [a-z]+[ ] )? (?: left | remain )
      | R[ ]?[0-9] )""", re.VERBOSE)

# Words that make a step doubtful, by where they stand; see doubtful().
SCALES = {
    "dozen", "dozens", "hundred", "thousand", "million", "billion", "halves", "remainder",
}
OPERATIONS = {
    "half", "third", "quarter", "twice", "double", "triple", "times", "plus", "minus", "less",
    "more", "than", "divided", "multiplied",
}
LARGER = {
    "year", "years", "month", "months", "week", "weeks", "day", "days", "hour", "hours", "minute",
    "minutes", "mile", "miles", "yard", "yards", "foot", "feet", "pound", "pounds", "dollar",
    "dollars",
}

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
        if kind == "money":
            continue                                   # a lone $ says nothing
        if kind == "sign":
            kind = text
        elif kind == "times":
            kind = "*"
        elif kind == "of":
            # 20% of 50, 1/2 of 50
            of_a_part = tokens and (tokens[-1].kind == "%" or "/" in tokens[-1].text)
            kind = "*" if of_a_part else "other"
        elif kind == "rest":
            kind = "other"
        elif kind == "word" and len(text) == 1:
            # x, 2a; but not 260 g, "$5 a day"
            article = text == "a" and line[match.start() - 1] == " "
            if text not in "gmlL" and not article:
                kind = "unknown"
        elif kind == "number" and " " in text and "/" in text:
            # "in 20 12/2" is no mixed number
            if (fraction(text.split()[-1]) or 1) >= 1:
                kind = "other"
        tokens.append(Token(kind, text, match.start(), match.end()))
    return tokens


# ---- Expressions ---------------------------------------------------------------------------------

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
        self.tokens = tokens
        self.at = 0                      # the next token to read
        self.doubt = False               # may it be meant otherwise?
        self.value, self.percent = self.total()
        if self.at < len(self.tokens):
            raise Unparsed

    def kind(self):
        return self.tokens[self.at].kind if self.at < len(self.tokens) else "end"

    def take(self, *kinds):
        if self.kind() not in kinds:
            raise Unparsed
        self.at += 1
        return self.tokens[self.at - 1]

    def total(self):
        value, percent = self.product()
        while self.kind() in ("+", "-"):
            sign = -1 if self.take("+", "-").kind == "-" else 1
            other, other_percent = self.product()
            if percent != other_percent:               # 50 - 20%: per cent of what?
                self.doubt = True
            value += sign * other
            percent = percent and other_percent
        return value, percent

    def product(self):
        value, percent = self.factor()
        while self.kind() in ("*", "/", "("):
            divides = self.kind() == "/"
            if self.kind() != "(":
                self.take("*", "/")
            first = self.at
            other, other_percent = self.factor()
            if divides and ("/" in self.tokens[first].text or self.kind() == "("):
                self.doubt = True                      # 10 / 1/2, 12 / 2(3)
            percent = not divides and other_percent and other == 1         # 1 / 4 * 100%
            value = value / other if divides else value * other
        return value, percent

    def factor(self):
        if self.kind() in ("+", "-"):
            sign = self.take("+", "-").kind
            value, percent = self.factor()
            return (-value if sign == "-" else value), percent
        if self.kind() == "(":
            self.take("(")
            value, percent = self.total()
            self.take(")")
        else:
            value = fraction(self.take("number").text)
            percent = False
            if value is None:
                raise ZeroDivisionError
        while self.kind() in ("%", "unit"):
            if self.take("%", "unit").kind == "%":
                value = value / 100
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


# ---- Steps ---------------------------------------------------------------------------------------

def joined(a, b):
    """May these neighbours stand in one expression? Two operands only as in 3(4) and (3)(4)."""
    if a.kind in ("number", "%", "unit", ")") and b.kind in ("number", "("):
        return b.kind == "(" and a.end == b.start and a.kind != "unit"
    return True


def around(tokens, equals):
    """(start, end) of the longest runs of arithmetic that touch the `=` at this index.

    tokens[start:equals] stands left of it, tokens[equals + 1:end] right of it. A run ends where a
    bracket is open on one side only, and is at most LONGEST tokens long.
    """
    start = equals
    depth = 0
    while start > 0 and equals - start < LONGEST:
        token = tokens[start - 1]
        if token.kind == ")":
            depth += 1
        elif token.kind == "(":
            depth -= 1
        if token.kind not in ARITHMETIC or depth < 0:
            break
        if start < equals and not joined(token, tokens[start]):
            break
        start -= 1

    end = equals + 1
    depth = 0
    while end < len(tokens) and end - equals < LONGEST:
        token = tokens[end]
        if token.kind == "(":
            depth += 1
        elif token.kind == ")":
            depth -= 1
        if token.kind not in ARITHMETIC or depth < 0:
            break
        if end > equals + 1 and not joined(tokens[end - 1], token):
            break
        end += 1
    while end > equals + 1 and tokens[end - 1].kind in OPERATORS:
        end -= 1                                       # "= 12 - the rest": 12
    return start, end


NO_TOKEN = Token("end", "", -1, -1)


def doubtful(tokens, start, equals, end):
    """Does something in or beside tokens[start:end] show that the step may be meant otherwise?"""
    first = tokens[start]
    before2 = tokens[start - 2] if start >= 2 else NO_TOKEN
    before = tokens[start - 1] if start >= 1 else NO_TOKEN
    after = tokens[end] if end < len(tokens) else NO_TOKEN
    after2 = tokens[end + 1] if end + 1 < len(tokens) else NO_TOKEN

    # What stands before the expression.
    word = before.text.lower()
    if word in OPERATIONS or word in SCALES:                               # twice 12 + 4
        return True
    if word in ("of", "by") and before2.text.lower() in OPERATIONS:        # half of 12 + 4
        return True
    if before.kind in ARITHMETIC and before.kind != "(":                   # 7 2 + 3
        return True
    if before.kind == "unknown" or word in ("^", "√"):                     # x 2 + 3
        return True
    if word in LARGER and before2.kind == "number":                        # 1 hour 30 minutes + 5
        return True
    if before.end == first.start and word not in tuple("([{:;'\"`=_|"):    # f(3), 1,2, 5:30
        return True
    if word == "and" and "/" in first.text:                                # 5 and 2/3 + 1
        return True

    # What stands behind the result.
    if after.kind in ARITHMETIC and after.kind != ")":                     # 24/Y
        return True
    if after.kind == "unknown":                                            # 2x
        return True
    if after.text[:1] in tuple("^!0123456789"):                            # 10^2, 18 000
        return True
    if after.text == "and" and "/" in after2.text:                         # = 5 and 2/3
        return True

    # The units.
    step = tokens[start:end]
    units = [re.findall(r"\w+", token.text.lower()) for token in step if token.kind == "unit"]
    words = {after.text.lower()}
    for unit in units:
        words.update(unit)
    if words & SCALES:                                                     # 6 dozen
        return True
    if words & {"cent", "cents"} and any("$" in token.text for token in step):
        return True
    adds = any(token.kind in ("+", "-") for token in tokens[start:equals])
    different_units = {unit[-1].rstrip("s") for unit in units}
    return adds and len(different_units) > 1                               # 2 hours + 30 minutes


def step_at(line, tokens, equals):
    """The Step around the `=` at this index; None where the text does not surely state one."""
    start, end = around(tokens, equals)
    left = tokens[start:equals]
    right = tokens[equals + 1:end]
    if not left or not right:
        return None

    # "Total - 3 * 4 = 12", "- 3 * 4 = 12": a dash, perhaps.
    begins_with_dash = False
    if left[0].kind in ("+", "-"):
        after_word = start > 0 and tokens[start - 1].kind == "word"
        apart = left[0].end < tokens[start + 1].start
        begins_with_dash = after_word or apart
    if begins_with_dash:
        left = left[1:]

    # Without an operator it is no arithmetic: 5 apples = 5 apples. But 1/2 = 0.5 is, and so is the
    # end of 6 + 7 = 13 = 14.
    if OPERATORS.isdisjoint(token.kind for token in left[1:]):
        if len(left) != 1:
            return None
        in_chain = start > 0 and tokens[start - 1].kind == "="
        if "/" not in left[0].text and not (in_chain and left[0].text.isdecimal()):
            return None

    expression_text = line[left[0].start:left[-1].end]
    stated_text = line[right[0].start:right[-1].end]
    begins_right = False                 # "3 + 4 = 7 - 2 of them": 7 is right, so no mistake
    try:
        expression = Expression(left)
        stated = readings(right)
        operators = [i for i, token in enumerate(right) if i and token.kind in OPERATORS]
        if operators and right[0].kind == "number":
            beginning = readings(right[:operators[0]])
            if end < len(tokens) and tokens[end].kind == "=":
                stated += beginning      # a running chain: 3 * 4 = 12 * 2 = 24
            else:
                begins_right = agrees(expression.value, *beginning[0])
    except Unparsed:
        return None
    except ZeroDivisionError:
        return Step(expression_text, stated_text, False, ())

    values = [expression.value]
    if expression.percent and right[-1].kind != "%":
        values.append(expression.value * 100)          # 100% - 20% = 80
    ok = any(agrees(value, *reading) for value in values for reading in stated)
    if not ok:
        divides = any(token.kind == "/" for token in left)
        left_over = divides and LEFT_OVER.match(line, tokens[end - 1].end)     # = 3 with 2 left
        if begins_with_dash or begins_right or left_over or expression.doubt:
            return None
        if doubtful(tokens, start, equals, end):
            return None
    return Step(expression_text, stated_text, ok, tuple(value for value, _ in stated))


def steps(text):
    """Yield every Step that a plain text surely states, in order."""
    for line in text.split("\n"):
        if "=" not in line:
            continue
        tokens = tokenize(line)
        for i, token in enumerate(tokens):
            if token.kind == "=":
                step = step_at(line, tokens, i)
                if step:
                    yield step
