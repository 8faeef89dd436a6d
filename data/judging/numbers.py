"""numbers.py - how numbers are written: LaTeX, bold type and odd characters made plain, and what
counts as a number."""
import functools
import re
from fractions import Fraction

# ---- Plain text ----------------------------------------------------------------------------------

CHARACTERS = str.maketrans({
    "−": "-", "–": "-", "‐": "-", "‑": "-", "‒": "-", "﹣": "-", "－": "-",
    "×": "*", "·": "*", "⋅": "*", "∗": "*",
    "÷": "/", "⁄": "/",
    "≈": "=", "≥": ">", "≤": "<",
    "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅕": " 1/5", "⅖": " 2/5",
    "⅗": " 3/5", "⅘": " 4/5", "⅙": " 1/6", "⅚": " 5/6", "⅛": " 1/8", "⅜": " 3/8", "⅝": " 5/8",
    "⅞": " 7/8",
    "²": "^2", "³": "^3", "⁴": "^4", "⁵": "^5", "⁶": "^6",
    "π": "\\pi", "’": "'",
    "₹": "", "¥": "", "₩": "", "₽": "", "₺": "", "₱": "", "฿": "",    # $ € £ are read with numbers
    "\u00a0": " ", "\u2009": " ", "\u202f": " ",                # spaces that do not break
    "\u200b": "", "°": "",
    "…": "...",
})
# 18 000, with a space that does not break, is 18,000.
THIN_SPACE = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")


def replacements(*pairs):
    return [(re.compile(pattern), new) for pattern, new in pairs]


# In this order; LATEX first, where there is a backslash.
LATEX = replacements(
    (r"\\(?:times|cdot)(?![a-z])", "*"),
    (r"\\div(?![a-z])", "/"),
    (r"\\approx(?![a-z])", "="),
    (r"\\[lc]?dots(?![a-z])", "..."),
    (r" {0,3}\\(?:text[a-z]{0,6}|math[a-z]{2})\{ {0,3}([^{}\n]{0,60}?) {0,3}\}", r" \1"),
    (r"(?<=[0-9]),?\\[,!](?=[0-9]{3}(?![0-9]))", ","),                   # 18\,000
    (r"\^ ?(?:\{ ?\\circ ?\}|\\circ(?![a-z]))", ""),                     # 90^\circ
    (r"(-?)\\[dt]?frac([0-9])([0-9])", r" \1\2/\3"),                     # \frac12
    (r"(-?)\\[dt]?frac\{([0-9]{1,30})\}\{([0-9]{1,30})\}", r" \1\2/\3"),     # \frac{1}{2}
    (r"\\[dt]?frac\{(-[0-9]{1,30})\}\{([0-9]{1,30})\}", r" \1/\2"),          # \frac{-1}{2}
    (r"\\[dt]?frac\{([^{}\n]{1,60})\}\{([^{}\n]{1,60})\}", r" ((\1)/(\2))"),
    (r"\\\\", "\n"),
    (r"\\(?:left|right|quad)(?![a-z])|\\[,:;! ()\[\]]", " "),
    (r"\\([$%])", r"\1"))
MARKUP = replacements(
    (r"(?<=[0-9)])\*\*(?=[0-9(])| \*\* (?=[0-9(])", "^"),                # 2**3 is a power,
    (r"\*\*", ""),                                                       # any other ** is bold type
    (r"\{,\}", ","),                                                     # 1{,}250
    (r"(?<=[a-z])\^ ?\{?[23]\}?", ""),                                  # 36 m^2
    (r"\b(?:Rs\.?|INR|USD|EUR|GBP) ?(?=[0-9])", ""),                    # Rs. 500
    (r"(?<=[0-9])'(?=[0-9]{3}(?![0-9]))", ","),                          # 18'000
    (r"(?<=\.[0-9]{30})[0-9]+", ""),                                     # 2.666.. to thirty places
    (r"(?<=[0-9.$€£][0-9])[kK]\b", " thousand"),                         # $7k, 70k
    (r"\b(?:[Nn]egative|(?<=is )minus) (?=[$€£]?[0-9])", "-"),
    (r"(?<=[0-9]) per ?cent\b", "%"))


@functools.lru_cache(maxsize=1)             # the final number and the steps are read from one text
def prepare(text):
    """The text with one minus sign, * and /, without bold type or LaTeX.

    A text is prepared once, since a second time could change it again.
    """
    text = text.replace("\r", "\n").replace("&", " ")
    if not text.isascii():
        text = THIN_SPACE.sub(",", text).translate(CHARACTERS)
    for pattern, new in (LATEX if "\\" in text else []) + MARKUP:
        text = pattern.sub(new, text)
    return text


# ---- Numbers -------------------------------------------------------------------------------------
# Repetitions are bounded wherever two of them could share characters, so no text makes a pattern
# slow. Spaces are written [ ], so that DECIMAL and VALUE also fit into verbose patterns.

# accepted   7   1,234.50   .5             refused   1,23   7.
DECIMAL = (r"(?:(?:[0-9]{1,3}(?:,[0-9]{3}){1,9}(?![0-9])|[0-9]{1,99}(?![0-9]))"
           r"(?:\.[0-9]{1,30}(?![0-9]))?"
           r"|\.[0-9]{1,30}(?![0-9]))")
# accepted   1 1/2   1/2   7               refused   1/2% (here only the 1)
VALUE = (r"(?:(?:[0-9]{1,30}[ ]{1,3})?[0-9]{1,30}/[0-9]{1,30}(?![0-9]|[ ]?%|[.,][0-9])"
         rf"|{DECIMAL})")
# accepted   2.5 million
SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9,
          "trillion": 10**12}
SCALE = rf"(?:[ ]?(?:{'|'.join(SCALES)})\b)"
# A number with sign, currency and scale.
#   accepted   -5      $18      -$18      $-18      1,234.50      1 1/2      $2.5 million
#   refused    five    (5)
AMOUNT = rf"(?:[-+][ ]?)?(?:[$€£][ ]?)?[-+]?{VALUE}{SCALE}?"


SIGNS = re.compile("[-+$€£,]")


def fraction(amount):
    """'-$1,234.50' -> Fraction(-2469, 2), '1 1/2' -> Fraction(3, 2), '1/0' -> None."""
    digits = SIGNS.sub("", amount).strip()
    whole, _, decimals = digits.partition(".")
    if (whole + decimals).isdecimal():          # mostly
        value = Fraction(int(whole + decimals), 10 ** len(decimals))
    else:
        value = Fraction(0)
        scale = 1
        for part in re.findall("[a-z]+|[^ a-z]+", digits):
            if part in SCALES:
                scale = SCALES[part]
            elif re.fullmatch("[0-9]+/0+", part):
                return None
            else:
                value += Fraction(part)
        value *= scale
    return -value if "-" in amount else value


# ---- Number words --------------------------------------------------------------------------------

SMALL = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
         "fifteen sixteen seventeen eighteen nineteen").split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = {word: n for n, word in enumerate(SMALL)} | {word: 10 * n for n, word in enumerate(TENS, 2)}
BELOW_100 = rf"(?:(?:{'|'.join(TENS)})(?:[ -](?:{'|'.join(SMALL[1:10])}))?|{'|'.join(SMALL[::-1])})"
BELOW_1000 = rf"(?:(?:{BELOW_100}|a)[ ]hundred(?:[ ](?:and[ ])?{BELOW_100})?|{BELOW_100})"
THOUSANDS = rf"(?:(?:{BELOW_1000}|a)[ ]thousand(?:,?[ ](?:and[ ])?{BELOW_1000})?|{BELOW_1000})"
IN_WORDS = re.compile(rf"""
    \b (?: (?:{BELOW_1000}|a)[ ]million (?: ,?[ ](?:and[ ])?{THOUSANDS} )? | {THOUSANDS} ) \b
    (?! [ -] (?: half | halves | third | quarter | fourth | fifth | tenth )s?\b )
    """, re.VERBOSE | re.IGNORECASE)


def words_as_digits(text):
    """'twenty-five pens' -> '25 pens'. One of several, as in 'that one', stays."""
    def digits(match):
        words = match[0].lower()
        if words == "one" and match.start() > 0:
            return match[0]
        total = 0                               # of the thousands and millions
        below = 0                               # what stands before the next of them
        for word in re.findall("[a-z]+", words):
            if word in ("thousand", "million"):
                total += (below or 1) * SCALES[word]
                below = 0
            elif word == "hundred":
                below = (below or 1) * 100
            else:
                below += WORDS.get(word, 0)     # 0: "a", "and"
        return str(total + below)

    return IN_WORDS.sub(digits, text)


# ---- The last number of a text -------------------------------------------------------------------

# A number in running text.
#   accepted   It fell to -8 degrees (-8)      18kg
#   odd        10^2      √16      ±5      1e5      36\pi
#   not seen   model X5      3:30      12/25/2020      the 2nd day
IN_TEXT = re.compile(rf"""
      (?P<odd> (?: √ | \\sqrt\{{ | ± | \\pm ) [ ]?[0-9]+ | [0-9]{{100,}}
             | [0-9.]{{1,40}} (?: [ ]?\^[-({{ ]*[0-9]+ | e[-+]?[0-9]+ | [ ]?\\pi ) )
    | (?: (?<! [\w)%] ) - (?= [$€£.0-9] ) )? [$€£]?
      (?<! [A-Za-z0-9] ) (?<! [0-9][.:/] )                  # not the end of X5, 3:30
      {VALUE}{SCALE}?
      (?! :[0-9] | /[0-9] | (?:st|nd|rd|th)\b )             # nor the beginning of such
    """, re.VERBOSE)
# Between two numbers of a sentence: the second says for what, or when, the first holds.
ASIDE = re.compile(r"""[^\n.]* \b (?:
      (?: for | in | on | after | over | from | among | per | within )
          [ ] (?: (?: the | those | these | all | his | her | their | its | \w+ing ) [ ] )?
    | of [ ] (?: the | those | these ) [ ] )""", re.VERBOSE)
LONGEST_ASIDE = 200             # characters
# Units that are often given together: 2 hours 30 minutes.
LARGER = (
    "year", "years", "month", "months", "week", "weeks", "day", "days", "hour", "hours", "minute",
    "minutes", "mile", "miles", "yard", "yards", "foot", "feet", "pound", "pounds", "dollar",
    "dollars",
)
# What joins a number to one before it, so that neither is the answer alone.
JOINED = re.compile(rf"""
    [0-9] [%$]? (?:
        (?: [ ][a-z]+ ){{0,2}} [ ]? (?: \b or | [-+*/x] ) [ ]?          # 5 or 6, 10-15, 18 pens - 5
      | [ ] to [ ] | ,[ ]?                                              # 5 to 6; 12,50; 3, 5, 8
      | [ ] (?: {'|'.join(LARGER)} ) (?: ,?[ ]and | , )? [ ]    # 2 hours 30 minutes
    ) [$€£]? $""", re.VERBOSE)


UNCLEAR = "?"
BEFORE = 60                     # characters before a number that may join it to another
AND_A_HALF = "and (?:an?|one) (?:half|third|quarter)"
PART_BEHIND = re.compile(rf"(?: [a-z]+)? {AND_A_HALF}")          # 5 and a half


def last_number(text):
    """The last number that stands in a text, as written; UNCLEAR; or None: there is none.

    accepted    "He needs 3 boxes on the 2nd day"      3
    accepted    "He earns 120 dollars in 5 days"       120
    unclear     "It takes 10-15 minutes"
    none        "The model X5"
    """
    matches = list(IN_TEXT.finditer(text))
    if not matches:
        return None
    match = matches.pop()
    while matches and "$" not in match[0]:
        between = text[matches[-1].end():match.start()]
        if len(between) > LONGEST_ASIDE or not ASIDE.fullmatch(between):
            break
        match = matches.pop()
    before = text[max(0, match.start() - BEFORE):match.start()]
    is_part = (
        match["odd"]
        or JOINED.search(before)
        or match[0].startswith("-") and re.search("[0-9)] ?$", before)             # 50 -8
        or re.search("[0-9] $", before) and re.fullmatch("[0-9]{3}", match[0])     # 18 000
        or re.search("[0-9] and [$€£]?$|than $", before)          # 3 and -2, less than 5
        or PART_BEHIND.match(text, match.end())
    )
    return UNCLEAR if is_part else match[0]
