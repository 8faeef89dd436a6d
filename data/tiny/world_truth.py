"""world_truth.py - what the world knows of a solution to one of its word problems, to judge the
judge by.

It knows the steps, and the model's voice tells them ("First, 12 / 2 = 6 stamps. Finally, 6 + 7 = 13
stamps. The answer is 13."). So it need not guess what a text means as judge.py must: it reads the
equations, by rules of its own, and compares. Standard library alone.
"""
import re
from collections import Counter
from fractions import Fraction

NUMBER = r"\d+(?:\.\d+)?"
EQUATION = re.compile(
    rf"(?<![-+*/\w.])(?<![-+*/] )({NUMBER}(?: ?[-+*/] ?{NUMBER})+) ?= ?(-?{NUMBER})")


def terms(expression):
    """"6 + 2 * 3" -> [(1, ["6"], []), (1, ["2", "3"], [])]: of each summand its sign, factors and
    divisors, all in one fixed order."""
    summands = []
    for sign, term in re.findall(r"([-+]?)([^-+]+)", expression.replace(" ", "")):
        factors = []
        divisors = []
        for operator, number in re.findall(r"([*/]?)([^*/]+)", term):
            if operator == "/":
                divisors.append(number)
            else:
                factors.append(number)
        summands.append((-1 if sign == "-" else 1, sorted(factors), sorted(divisors)))
    return sorted(summands)


def value(expression):
    """What it comes to, as a Fraction; None if something is divided by zero."""
    total = Fraction(0)
    for product, factors, divisors in terms(expression):
        for number in factors:
            product *= Fraction(number)
        for number in divisors:
            if not Fraction(number):
                return None
            product /= Fraction(number)
        total += product
    return total


def compare(voice, text, question=""):
    """A text against the world's own solution, told in the model's voice.

    -> "same":  states the same steps, each once, in any order, factors and summands in any order,
                and nothing else, and ends in its number;
       "other": other steps that lead there: every equation holds, its numbers stand in the
                question, among those that the world's steps begin with, or are results of equations
                before it, and the last result is the number that the text and the world end in;
       "wrong": anything else: another number at the end, no step, one that does not hold or cannot
                be read, a number from nowhere.
    """
    steps = steps_of(text)
    own_steps = steps_of(voice)
    truth = last_number(voice)
    if not steps or len(steps) < text.count("=") or last_number(text) != truth:
        return "wrong"
    if any(value(expression) != Fraction(result) for expression, result in steps):
        return "wrong"
    if counted(steps) == counted(own_steps):
        return "same"
    known = set(re.findall(NUMBER, question))
    reached = set()                  # results of the world's steps
    for expression, result in own_steps:
        known.update(n for n in re.findall(NUMBER, expression) if n not in reached)
        reached.add(result)
    for expression, result in steps:
        if not known.issuperset(re.findall(NUMBER, expression)):
            return "wrong"
        known.add(result)
    return "other" if result == truth else "wrong"


def steps_of(text):
    """[(expression, result), ..]"""
    return EQUATION.findall(text.replace("$", "").replace(",", ""))


def last_number(text):
    numbers = re.findall(NUMBER, text.replace(",", ""))
    return numbers[-1] if numbers else None


def counted(steps):
    return Counter((str(terms(expression)), result) for expression, result in steps)


def right(voice, text, question=""):
    """Is it a right solution, by the world's steps or by others?"""
    return compare(voice, text, question) != "wrong"
