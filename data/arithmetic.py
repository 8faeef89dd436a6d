"""arithmetic.py - read the equations that a text states, "12 / 2 = 6 stamps", and check each exactly. No eval, no floats.

A step is the longest arithmetic expression on one line left of `=`, with what stands right of it. People write loosely ("half of
12 + 4 = 10", "2 hours + 30 minutes = 150 minutes"), so a step that does not compute is wrong only if nothing about it is in
doubt. Doubtful steps are ignored, like everything that is no expression. judge.py uses this for `check_steps`; the cases are in
data/cases.py, and tests/check_gsm8k_golds.py measures it on the official golds.
"""
import re
from fractions import Fraction
from typing import NamedTuple

CHARACTERS = str.maketrans({
    "−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "⁄": "/", "≈": "=", "\u200b": "", "\r": "\n",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "°": "", "½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3"})
THIN_SPACE = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")           # 18 000, with a space that does not break
MARKUP = [(re.compile(pattern), new) for pattern, new in (
    (r"(?<=[0-9)])\*\*(?=[0-9(])| \*\* (?=[0-9(])", "^"), (r"\*\*", ""),     # 2**3 is a power; any other ** is bold type
    (r"\\(?:times|cdot)(?![a-z])", "*"), (r"\\div(?![a-z])", "/"), (r"\\approx(?![a-z])", "="), (r"\{,\}", ","),
    (r" {0,3}\\(?:text|mathrm|mathbf)\{ {0,3}([^{}\n]{0,60}?) {0,3}\}", r" \1"),
    (r"(?<=[0-9]),?\\[,!](?=[0-9]{3}(?![0-9]))", ","),                       # 18\,000 is 18,000
    (r"\^ ?(?:\{ ?\\circ ?\}|\\circ(?![a-z]))", ""), (r"(?i)\bnegative (?=[$€£]?[0-9])", "-"),
    (r"\\[dt]?frac([0-9])([0-9])", r" \1/\2"), (r"\\[dt]?frac\{(-?[0-9]{1,30})\}\{([0-9]{1,30})\}", r" \1/\2"),
    (r"\\[dt]?frac\{([^{}\n]{1,60})\}\{([^{}\n]{1,60})\}", r" ((\1)/(\2))"),
    (r"\\\\", "\n"),
    (r"\\(?:left|right|quad)(?![a-z])|\\[,;!()\[\]]|&", " "), (r"\\([$%])", r"\1"), (r"(?<=[0-9]) per ?cent\b", "%"))]


def plain(text):
    """The same text with one minus sign, * and / as operators, no bold type, and the commonest LaTeX resolved."""
    text = THIN_SPACE.sub(",", text).translate(CHARACTERS)
    for pattern, new in MARKUP:
        text = pattern.sub(new, text)
    return text


# Repetitions are bounded wherever two of them could share characters, so that no text makes a pattern slow.
DECIMAL = (r"(?:(?:[0-9]{1,3}(?:,[0-9]{3}){1,9}(?![0-9])|[0-9]{1,30}(?![0-9]))(?:\.[0-9]{1,30}(?![0-9]))?"
           r"|\.[0-9]{1,30}(?![0-9]))")                                                      # 7  1,234.50  .5
VALUE = rf"(?:(?:[0-9]{{1,30}} {{1,3}})?[0-9]{{1,30}}/[0-9]{{1,30}}(?![0-9]| ?%|[.,][0-9])|{DECIMAL})"     # 1 1/2  1/2  7


def fraction(amount):
    """'-$1,234.50' -> Fraction(-2469, 2), '1 1/2' -> Fraction(3, 2); None for a denominator of zero."""
    parts = re.sub("[-+$€£,]", "", amount).split()
    try:
        return (-1 if "-" in amount else 1) * sum(map(Fraction, parts))
    except ZeroDivisionError:
        return None


class Token(NamedTuple):
    kind: str            # "number", "unit", "word", "unknown", "other", "end", or the character itself: + - * / ( ) % =
    text: str
    start: int           # place in the line
    end: int


class Step(NamedTuple):
    expression: str      # "12 / 2"
    stated: str          # "6"
    right: bool
    values: tuple        # what the stated result may mean: "20%" is 1/5, or 20


WORD = r"(?:a[ ])?(?!(?:and|or|of|so|is|are|because|then|which|that)\b)[^\W\d_](?:[^\W\d_]|['’-](?=[^\W\d_]))+"
TOKEN = re.compile(rf"""
      (?P<other>  [0-9]+(?::[0-9]+)+ | [<>!=]+= | [=-]> | [0-9]+e[-+]?[0-9]+ | 0[0-9]+(?![0-9.,]) | [0-9]{{31,}} )
    | (?P<number> (?:[$€£][ ]?)?(?:{VALUE.replace(" ", "[ ]")}) )
    | (?P<times>  (?:(?<=[\w)%][ ])|(?<=[0-9)%]))[xX](?=[ ]?[$€£]?[.(0-9]) )                  # 2 x 3
    | (?P<of>     (?<=(?:%|[0-9])[ ])of(?=[ ][$€£]?[.(0-9]) )                                 # 20% of 50
    | (?P<unit>   (?<=[0-9)%])(?:[ ]?/[ ]?|[ ]|)                                              # 2 minutes/dish, $2/egg ...
                  {WORD}(?:[ ]{WORD}){{0,3}}(?:[ ]?/[ ]?{WORD})?
                  (?=[ ]{{0,3}}(?:[+*/)=]|-(?![^\W\d_])|x[ ][$€£]?[0-9])) )                   # ... if arithmetic goes on
    | (?P<word>   [^\W\d_](?:\w|['’-](?=[^\W\d_]))* )
    | (?P<sign>   [-+*/()%=] )
    | (?P<money>  [$€£] )
    | (?P<rest>   \S )""", re.VERBOSE)
BULLET = re.compile(r"[ \t]*(?:(?:[-*+•>]|#+|\w{1,2}[.)]|step [0-9]{1,3} ?[-.:)])[ \t]+)+", re.IGNORECASE)
SCALES = set("dozen dozens hundred thousand million billion halves remainder".split())
LEFT_OVER = re.compile(r" ?(?:[a-z]+ )?(?:(?:with|and) (?:an? )?(?:[0-9]+ )?(?:[a-z]+ )?(?:left|remain)|R ?[0-9])")     # 17 / 5 = 3 with 2 left
LARGER = set("year years month months week weeks day days hour hours minute minutes mile miles yard yards foot feet pound pounds dollar dollars".split())
OPERATIONS = set("half third quarter twice double triple times plus minus less more than divided multiplied".split())
OPERATORS = {"+", "-", "*", "/", "("}
ARITHMETIC = OPERATORS | {"number", "unit", ")", "%"}
LONGEST = 80             # tokens of an expression, which bounds its nesting too


def tokenize(line):
    """Tokens of one line. `x`, and `of` after a fraction or a percentage, are *. Words after an operand with arithmetic
    after them are its unit: 12 minutes / 2 minutes/dish = 6."""
    tokens = []
    bullet = BULLET.match(line)
    for match in TOKEN.finditer(line, bullet.end() if bullet else 0):
        kind, text = match.lastgroup, match[0]
        if kind == "sign":
            kind = text
        elif kind == "times" or kind == "of" and tokens and (tokens[-1].kind == "%" or "/" in tokens[-1].text):
            kind = "*"
        elif kind == "word" and len(text) == 1 and text not in "gmlL" and not (text == "a" and line[match.start() - 1] == " "):
            kind = "unknown"                                           # x, 2a, but not 260 g, "$5 a day"
        elif kind in ("of", "rest") or kind == "number" and " " in text and "/" in text and (fraction(text.split()[-1]) or 1) >= 1:
            kind = "other"                                             # "in 20 12/2" is no mixed number
        if kind != "money":
            tokens.append(Token(kind, text, *match.span()))
    return tokens


class Unparsed(Exception):
    """These tokens form no arithmetic expression."""


class Expression:
    """The exact value of a run of tokens, by recursive descent:

        total   = product {(+ | -) product}
        product = factor {(* | / | nothing, before a bracket) factor}
        factor  = (+ | -) factor  |  (number | "(" total ")") {% | unit}
    """
    def __init__(self, tokens):
        self.tokens, self.at, self.doubt = tokens, 0, False
        self.value, self.percent = self.total()                        # percent: a plain percentage, such as 100% - 20%
        if self.at < len(tokens):
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
            self.doubt |= percent != other_percent                     # 50 - 20%: per cent of what?
            value, percent = value + sign * other, percent and other_percent
        return value, percent

    def product(self):
        value, percent = self.factor()
        while self.kind() in ("*", "/", "("):
            divide = self.kind() == "/"
            if self.kind() != "(":
                self.take("*", "/")
            start = self.at
            other, other_percent = self.factor()
            self.doubt |= divide and ("/" in self.tokens[start].text or self.kind() == "(")     # 10 / 1/2, 12 / 2(3)
            percent = not divide and other_percent and other == 1      # 1 / 4 * 100% is a percentage
            value = value / other if divide else value * other
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
            value, percent = fraction(self.take("number").text), False
            if value is None:
                raise ZeroDivisionError
        while self.kind() in ("%", "unit"):
            if self.take("%", "unit").kind == "%":
                value, percent = value / 100, True
        return value, percent


def joined(a, b):
    """May these neighbours stand in one expression? Two operands side by side only as 3(4) or (3)(4)."""
    if a.kind in ("number", "%", "unit", ")") and b.kind in ("number", "("):
        return b.kind == "(" and a.end == b.start and a.kind != "unit"
    return True


def around(tokens, equals):
    """(start, end) of the longest runs of arithmetic that touch the `=` at this index, on its left and on its right."""
    start, depth = equals, 0
    while start and equals - start < LONGEST and tokens[start - 1].kind in ARITHMETIC:
        depth += {")": 1, "(": -1}.get(tokens[start - 1].kind, 0)
        if depth < 0 or start < equals and not joined(tokens[start - 1], tokens[start]):
            break
        start -= 1
    end, depth = equals + 1, 0
    while end < len(tokens) and end - equals < LONGEST and tokens[end].kind in ARITHMETIC:
        depth += {"(": 1, ")": -1}.get(tokens[end].kind, 0)
        if depth < 0 or end > equals + 1 and not joined(tokens[end - 1], tokens[end]):
            break
        end += 1
    while end > equals + 1 and tokens[end - 1].kind in OPERATORS:
        end -= 1
    return start, end


def doubtful(tokens, start, equals, end):
    """Does something in or beside tokens[start:end] leave it open whether the statement was read as it was meant?"""
    before2, before, after, after2 = [
        tokens[i] if 0 <= i < len(tokens) else Token("end", "", -1, -1) for i in (start - 2, start - 1, end, end + 1)]
    first, word = tokens[start], before.text.lower()
    units = [re.findall(r"\w+", token.text.lower()) for token in tokens[start:end] if token.kind == "unit"]
    words = {after.text.lower(), *sum(units, [])}
    dollars = any("$" in token.text for token in tokens[start:end])
    adds = any(token.kind in ("+", "-") for token in tokens[start:equals])
    return (word in OPERATIONS | SCALES or word in ("of", "by") and before2.text.lower() in OPERATIONS     # half of 12 + 4
            or before.kind in ARITHMETIC - {"("} or before.kind == "unknown" or word in ("^", "√")         # 7 2 + 3, x 2 + 3
            or word in LARGER and before2.kind == "number"                                                 # 1 hour 30 minutes + ..
            or before.end == first.start and word not in tuple("([{:;'\"`=_|")                             # f(3), 1,2, 5:30
            or after.kind in ARITHMETIC - {")"} or after.kind == "unknown"                                 # 24/Y, 2x
            or after.text[:1] in tuple("^!0123456789")                                                     # 10^2, 18 000
            or word == "and" and "/" in first.text or after.text == "and" and "/" in after2.text           # 5 and 2/3
            or bool(words & SCALES) or dollars and bool(words & {"cent", "cents"})                         # 6 dozen
            or adds and len({unit[-1].rstrip("s") for unit in units}) > 1)                                 # 2 hours + 30 minutes


def readings(tokens):
    """What a stated result may mean: [(value, digits shown after the point, or None if it is no single decimal)]."""
    value, numbers = Expression(tokens).value, [token.text for token in tokens if token.kind == "number"]
    digits = len(numbers[0].partition(".")[2]) if len(numbers) == 1 and "/" not in numbers[0] else None
    if tokens[-1].kind != "%":
        return [(value, digits)]
    return [(value, digits if digits is None else digits + 2), (value * 100, digits)]      # 20%: 1/5, or 10 / 50 * 100


def agrees(value, stated, digits):
    """Equal to the digits shown: rounded (10 / 3 = 3.33), or cut off after the point (2 / 3 = 0.66). But what two
    decimals hold exactly is no whole number: 25 / 2 = 13 is a mistake."""
    if value == stated or digits is None or digits == 0 and (100 * value).denominator == 1:
        return value == stated
    unit = Fraction(1, 10 ** digits)
    return abs(value - stated) <= unit / 2 or digits > 0 and 0 <= value - stated < unit


def step_at(line, tokens, equals):
    """The Step around the `=` at this index; None where the text does not surely state one."""
    start, end = around(tokens, equals)
    left, right = tokens[start:equals], tokens[equals + 1:end]
    if not left or not right:
        return None
    doubt = doubtful(tokens, start, equals, end) or any(t.kind == "/" for t in left) and bool(LEFT_OVER.match(line, tokens[end - 1].end))
    if left[0].kind in ("+", "-") and (start and tokens[start - 1].kind == "word" or left[0].end < tokens[start + 1].start):
        left, doubt = left[1:], True                                   # "Total - 3 * 4 = 12": a dash
    if OPERATORS.isdisjoint(token.kind for token in left[1:]):         # no arithmetic: 5 apples = 5 apples
        in_chain = start > 0 and tokens[start - 1].kind == "="         # but 1/2 = 0.5, and the end of 6 + 7 = 13 = 14
        if not (len(left) == 1 and ("/" in left[0].text or in_chain and left[0].text.isdecimal())):
            return None
    shown = line[left[0].start:left[-1].end], line[right[0].start:right[-1].end]
    try:
        expression, stated = Expression(left), readings(right)
        values = [expression.value, expression.value * 100] if expression.percent and right[-1].kind != "%" else [expression.value]
        operators = [i for i, token in enumerate(right) if i and token.kind in OPERATORS]
        if operators and right[0].kind == "number":
            first = readings(right[:operators[0]])
            if end < len(tokens) and tokens[end].kind == "=":          # 3 * 4 = 12 * 2 = 24: a running chain
                stated += first
            else:                                                      # 3 + 4 = 7 - 2 of them are gone
                doubt |= agrees(expression.value, *first[0])
    except Unparsed:
        return None
    except ZeroDivisionError:
        return Step(*shown, False, ())
    ok = any(agrees(value, *reading) for value in values for reading in stated)
    if not ok and (doubt or expression.doubt):
        return None
    return Step(*shown, ok, tuple(value for value, _ in stated))


def steps(text):
    """Every step that a text in plain characters surely states, in order: Step(expression, stated, right, values)."""
    for line in text.split("\n"):
        tokens = tokenize(line) if "=" in line else []
        for i, token in enumerate(tokens):
            if token.kind == "=" and (step := step_at(line, tokens, i)):
                yield step
