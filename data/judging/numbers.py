"""numbers.py - how numbers are written: LaTeX, bold type and odd characters made plain, and what
counts as a number."""
import functools
import re
from fractions import Fraction

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


# Where the model ran on and posed itself a next question.
#   matches          a line "Question: .."      "Q 2: .."      "### Problem 3: .."
#   does not match   "The question: .."         "Questions: .."
RUN_ON = re.compile(r"""
    \n [ \t]{0,3} [#]{0,6} [ \t]{0,3}
    (?: Question | Q | Problem | Human | User | Instruction ) (?: [ ][0-9]{1,4} )? [ \t]? :""",
    re.VERBOSE)


@functools.lru_cache(maxsize=1)             # the final number and the steps are read from one text
def prepare(text):
    """The text with one minus sign, * and /, no bold type or LaTeX, and cut where it runs on.

    A text is prepared once, since a second time could change it again. What stands before the first
    number is no run-on: some models repeat the question before they answer.
    """
    text = THIN_SPACE.sub(",", text).translate(CHARACTERS)
    for pattern, new in MARKUP:
        text = pattern.sub(new, text)
    first_digit = re.search("[0-9]", text)
    run_on = RUN_ON.search(text, first_digit.end()) if first_digit else None
    return text[:run_on.start()] if run_on else text


# ---- Numbers -------------------------------------------------------------------------------------
# Repetitions are bounded wherever two of them could share characters, so no text makes a pattern
# slow. Spaces are written [ ], so that DECIMAL and VALUE also fit into verbose patterns.

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
