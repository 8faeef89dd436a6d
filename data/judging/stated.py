"""stated.py - the grammar of a stated answer: which number does a clause state, and is that clear?

The clause is what follows "the answer is", a #### or a box. It may hold exactly one number with its
unit, or an equation whose last side is that. What begins behind the unit with a preposition or a
bracket is not read.
"""
import re

from data.judging.numbers import AMOUNT, AND_A_HALF, words_as_digits

# The pieces of a clause. What is not matched (a colon, a %, a lone $) says nothing.
PIECE = re.compile(rf"""
      (?P<end> [.!?;] (?= \s | $ ) | \n | </
             | , (?= [ ]* (?! and | or ) [^\W\d_] ) )       # "72, in total", but not "5, 6"
    | (?P<number> {AMOUNT} )
    | (?P<equals> = )
    | (?P<operator> [+*^√±\\<>] (?= [ ]? [\w(\\] )          # 6 * 3, \pm 21
                  | (?<= [0-9] ) [xyn] \b                   # 5x
                  | (?: divided | multiplied ) (?= [ ] by )
                  | [^\W\d_]+ [0-9] )                       # the e5 of 1e5
    | (?P<bracket> [(\[] )
    | (?P<word> [^\W\d_] (?: [^\W\d_] | ['’-] (?= [^\W\d_] ) )* )
    """, re.VERBOSE)
# Before a number these words deny it, bound it or compute with it: "less than 18", "half of 18".
NOT_PLAIN = set("""not less more fewer greater least most than between either neither nor over under
    below above half twice double square root sum product difference quotient
    almost nearly up cannot can't isn't wasn't""".split())
# Behind a number and its unit these words begin something else: "72 after 3 days".
ELSE = set("""after before for in on at from with by during within because since which that who
    where when while so as if but than each out of to""".split())
NEW_CLAUSE = re.compile("and (?:he|she|it|they|we|there|the|so) ")
HALF_BEHIND = re.compile(AND_A_HALF)
GOES_ON = re.compile("(?:of|to) [$€£]?[0-9]")                    # 20% of 50, 5 to 6


def stated_number(clause):
    """The number that a clause states -> (number as written or None, clear?, words before it).

    accepted   "18 dollars per day"    "6 * 3 = 18"      "x = 5 apples"    "twelve"
    accepted   "72 after 3 days"       "12 apples (3 boxes of 4)"          "$2.5 million"
    unclear    "5 or 6"    "10-15"     "2 hours 30 minutes"    "6 * 3"     "6 minus 3"    "3:30"
    unclear    "less than 18"          "the sum of 12 and 4"
    """
    number = None
    clear = True
    words = []                                  # before the number
    clause = words_as_digits(clause.strip())
    for piece in PIECE.finditer(clause):
        kind = piece.lastgroup
        word = piece[0].lower()
        at = piece.start()
        if kind == "end" and (number or words):
            break
        if kind == "equals":                    # what stands left of it is not the answer
            number = None
            clear = True
            words = []
        elif kind == "number" and number is None:
            number = piece[0]
            clear = clear and not NOT_PLAIN & set(words)
        elif kind in ("number", "operator") or HALF_BEHIND.match(clause, at):
            clear = False                       # a sum, or a second number: perhaps a `=` follows
        elif kind == "word" and number is None:
            words.append(word)
        elif number and clear:
            goes_on = GOES_ON.match(clause, at)
            if kind == "bracket" or (word in ELSE and not goes_on) or NEW_CLAUSE.match(clause, at):
                break
    return number, clear, words
