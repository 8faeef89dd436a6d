"""world_truth.py - what the world knows of a solution to one of its word problems, to judge the judge by.

It knows the steps, and the model's voice tells them ("First, 12 / 2 = 6 stamps. Finally, 6 + 7 = 13 stamps. The answer is 13."). So it
need not guess what a text means as judge.py must: it reads the equations, by rules of its own, and compares. Standard library alone.
"""
import re
from collections import Counter
from fractions import Fraction

NUMBER = r"\d+(?:\.\d+)?"
EQUATION = re.compile(rf"(?<![-+*/\w.])(?<![-+*/] )({NUMBER}(?: ?[-+*/] ?{NUMBER})+) ?= ?(-?{NUMBER})")


def terms(expression):
    """"6 + 2 * 3" -> [(1, ["6"], []), (1, ["2", "3"], [])]: of each summand its sign, factors and divisors, all in one fixed order."""
    found = []
    for sign, term in re.findall(r"([-+]?)([^-+]+)", expression.replace(" ", "")):
        parts = re.findall(r"([*/]?)([^*/]+)", term)
        found.append((-1 if sign == "-" else 1, sorted(n for o, n in parts if o != "/"), sorted(n for o, n in parts if o == "/")))
    return sorted(found)


def value(expression):
    """What it comes to, as a Fraction; None if something is divided by zero."""
    total = Fraction(0)
    for product, factors, divisors in terms(expression):
        for n in factors:
            product *= Fraction(n)
        for n in divisors:
            if not Fraction(n):
                return None
            product /= Fraction(n)
        total += product
    return total


def compare(voice, text, question=""):
    """A text against the world's own solution, told in the model's voice -> "same", "other" or "wrong".

    same:  states the same steps, each once, in any order, factors and summands in any order, and nothing else, and ends in its number;
    other: other steps that lead there: every equation holds, its numbers stand in the question, among those that the world's steps
           begin with, or are results of equations before it, and the last result is the number that the text and the world end in;
    wrong: anything else: another number at the end, no step, one that does not hold or cannot be read, a number from nowhere.
    """
    said, own = (EQUATION.findall(t.replace("$", "").replace(",", "")) for t in (text, voice))
    end, truth = ((re.findall(NUMBER, t.replace(",", "")) or [None])[-1] for t in (text, voice))
    if not said or len(said) < text.count("=") or end != truth or any(value(e) != Fraction(result) for e, result in said):
        return "wrong"
    count = lambda steps: Counter((str(terms(e)), result) for e, result in steps)
    if count(said) == count(own):
        return "same"
    known, reached = set(re.findall(NUMBER, question)), set()
    for expression, result in own:
        known |= {n for n in re.findall(NUMBER, expression) if n not in reached}
        reached.add(result)
    for expression, result in said:
        if not known.issuperset(re.findall(NUMBER, expression)):
            return "wrong"
        known.add(result)
    return "other" if result == truth else "wrong"


def right(voice, text, question=""):
    """Is it a right solution, by the world's steps or by others?"""
    return compare(voice, text, question) != "wrong"
