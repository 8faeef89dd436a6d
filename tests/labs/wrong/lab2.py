"""Wrong solutions of lab 2, as students write them. In quotes: words of the hint that they get."""
import re
from fractions import Fraction

from data.judging.answer_text import without_thought
from data.judging.numbers import UNCLEAR, fraction, last_number
from judge import (
    ANNOUNCED_BY, LONGEST_ANSWER, UNFINISHED, FinalNumber, Verdict, announced_number, final_number,
    readable, steps)


def final_number__last_of_the_text(text):
    """#### and a box and "the answer is" announce a number"""
    written = last_number(readable(text))
    if written is None:
        return FinalNumber("none", None, None)
    return FinalNumber("last number", written, fraction(written))


def final_number__value_before_written(text):
    """announce a number (each: text, rule, as written, value)"""
    plain = readable(text)
    for rule, pattern in ANNOUNCED_BY.items():
        for match in pattern.finditer(plain):
            rule, written, value = announced_number(plain, rule, match)
            return FinalNumber(rule, value, written)
    return FinalNumber("none", None, None)


def final_number__last_announcement_of_all(text):
    """#### goes before a box and before "the answer is\""""
    plain = readable(text)
    matches = [(match.end(), rule, match) for rule, pattern in ANNOUNCED_BY.items()
               for match in pattern.finditer(plain)]
    for _, rule, match in sorted(matches, key=lambda one: one[0], reverse=True):
        number = announced_number(plain, rule, match)
        if number:
            return number
    written = last_number(plain)
    return FinalNumber("last number" if written else "none", written, fraction(written or ""))


def final_number__box_last(text):
    """a box goes before "the answer is\""""
    plain = readable(text)
    for rule in ("hash", "answer is", "boxed"):
        for match in reversed(list(ANNOUNCED_BY[rule].finditer(plain))):
            number = announced_number(plain, rule, match)
            if number:
                return number
    written = last_number(plain)
    return FinalNumber("last number" if written else "none", written, fraction(written or ""))


def final_number__first_announcement(text):
    """of several announcements of one kind the last counts"""
    plain = readable(text)
    begin = 0
    for rule, pattern in ANNOUNCED_BY.items():
        for match in pattern.finditer(plain):
            begin = max(begin, match.end())
            number = announced_number(plain, rule, match)
            if number:
                return number
    written = last_number(plain[begin:])
    if written is None:
        return FinalNumber("none", None, None)
    if written == UNCLEAR:
        return FinalNumber("last number", None, None)
    return FinalNumber("last number", written, fraction(written))


def final_number__no_last_number(text):
    """where nothing announces a number, the last number of the text counts"""
    plain = readable(text)
    for rule, pattern in ANNOUNCED_BY.items():
        for match in reversed(list(pattern.finditer(plain))):
            number = announced_number(plain, rule, match)
            if number:
                return number
    return FinalNumber("none", None, None)


def final_number__another_try_where_unclear(text):
    """an announced number that is unclear stays so"""
    plain = readable(text)
    begin = 0
    for rule, pattern in ANNOUNCED_BY.items():
        for match in reversed(list(pattern.finditer(plain))):
            begin = max(begin, match.end())
            number = announced_number(plain, rule, match)
            if number and number.written:
                return number
    written = last_number(plain[begin:])
    if written is None:
        return FinalNumber("none", None, None)
    if written == UNCLEAR:
        return FinalNumber("last number", None, None)
    return FinalNumber("last number", written, fraction(written))


def final_number__unclear_forgotten(text):
    """where last_number says UNCLEAR"""
    plain = readable(text)
    begin = 0
    for rule, pattern in ANNOUNCED_BY.items():
        for match in reversed(list(pattern.finditer(plain))):
            begin = max(begin, match.end())
            number = announced_number(plain, rule, match)
            if number:
                return number
    written = last_number(plain[begin:])
    if written is None:
        return FinalNumber("none", None, None)
    return FinalNumber("last number", written, fraction(written))


def final_number__a_heading_ends_it(text):
    """where announced_number says None, it was a heading"""
    plain = readable(text)
    for rule, pattern in ANNOUNCED_BY.items():
        matches = list(pattern.finditer(plain))
        if matches:
            return announced_number(plain, rule, matches[-1])
    written = last_number(plain)
    if written is None:
        return FinalNumber("none", None, None)
    if written == UNCLEAR:
        return FinalNumber("last number", None, None)
    return FinalNumber("last number", written, fraction(written))


def final_number__before_headings_too(text):
    """the last number BEHIND them counts"""
    plain = readable(text)
    for rule, pattern in ANNOUNCED_BY.items():
        for match in reversed(list(pattern.finditer(plain))):
            number = announced_number(plain, rule, match)
            if number:
                return number
    written = last_number(plain)
    if written is None:
        return FinalNumber("none", None, None)
    if written == UNCLEAR:
        return FinalNumber("last number", None, None)
    return FinalNumber("last number", written, fraction(written))


def final_number__thoughts_too(text):
    """no thoughts, and no next question"""
    begin = 0
    for rule, pattern in ANNOUNCED_BY.items():
        for match in reversed(list(pattern.finditer(text))):
            begin = max(begin, match.end())
            number = announced_number(text, rule, match)
            if number:
                return number
    written = last_number(text[begin:])
    if written is None:
        return FinalNumber("none", None, None)
    if written == UNCLEAR:
        return FinalNumber("last number", None, None)
    return FinalNumber("last number", written, fraction(written))


def final_number__float(text):
    """the value is exact: a Fraction, no float"""
    plain = readable(text)
    begin = 0
    for rule, pattern in ANNOUNCED_BY.items():
        for match in reversed(list(pattern.finditer(plain))):
            begin = max(begin, match.end())
            number = announced_number(plain, rule, match)
            if number and number.value is not None:
                return FinalNumber(rule, number.written, float(number.value))
            if number:
                return number
    written = last_number(plain[begin:])
    if written is None:
        return FinalNumber("none", None, None)
    if written == UNCLEAR:
        return FinalNumber("last number", None, None)
    return FinalNumber("last number", written, float(fraction(written)))


def number__accepts_everything(text, gold, check_steps=False):
    """the final number decides"""
    rule, written, _ = final_number(text)
    return Verdict(True, rule, written, "a number")


def number__yes_or_no(text, gold, check_steps=False):
    """the final number decides"""
    return final_number(text).value == final_number(gold).value


def number__gold_is_a_number(text, gold, check_steps=False):
    """the gold may be a whole solution"""
    rule, written, value = final_number(text)
    return Verdict(value == Fraction(gold), rule, written, "compared")


def number__first_number_of_the_gold(text, gold, check_steps=False):
    """the gold may be a whole solution: its final number counts, not the first one"""
    rule, written, value = final_number(text)
    first = re.search(r"[0-9]+", gold)
    return Verdict(value == int(first[0]), rule, written, "compared")


def number__compares_texts(text, gold, check_steps=False):
    """values are compared, exactly, and not texts"""
    rule, written, _ = final_number(text)
    return Verdict(written == final_number(gold).written, rule, written, "compared")


def number__about_the_same(text, gold, check_steps=False):
    """31 is not 3, and 3.001 neither"""
    rule, written, value = final_number(text)
    return Verdict(abs(value - final_number(gold).value) < 0.01, rule, written, "compared")


def number__steps_always(text, gold, check_steps=False):
    """steps are looked at only where check_steps asks for it"""
    rule, written, value = final_number(text)
    if value != final_number(gold).value:
        return Verdict(False, rule, written, "another number")
    stated = steps(text)
    wrong = [step for step in stated if not step.right]
    scores = {}
    if check_steps:
        scores = {"steps": len(stated), "wrong_steps": len(wrong)}
    if wrong:
        return Verdict(False, "wrong step", written, "a wrong step", scores)
    return Verdict(True, rule, written, "right", scores)


def number__steps_never(text, gold, check_steps=False):
    """with check_steps one wrong step refuses a right number"""
    rule, written, value = final_number(text)
    return Verdict(value == final_number(gold).value, rule, written, "compared")


def number__steps_before_the_number(text, gold, check_steps=False):
    """a wrong number is refused by the rule that read it, before any step is looked at"""
    rule, written, value = final_number(text)
    scores = {}
    if check_steps:
        stated = steps(text)
        wrong = [step for step in stated if not step.right]
        scores = {"steps": len(stated), "wrong_steps": len(wrong)}
        if wrong:
            return Verdict(False, "wrong step", written, "a wrong step", scores)
    return Verdict(value == final_number(gold).value, rule, written, "compared", scores)


def number__one_right_step_is_enough(text, gold, check_steps=False):
    """with check_steps one wrong step refuses a right number"""
    rule, written, value = final_number(text)
    if value != final_number(gold).value or not check_steps:
        return Verdict(value == final_number(gold).value, rule, written, "compared")
    stated = steps(text)
    wrong = [step for step in stated if not step.right]
    scores = {"steps": len(stated), "wrong_steps": len(wrong)}
    if len(wrong) == len(stated) and wrong:
        return Verdict(False, "wrong step", written, "wrong steps", scores)
    return Verdict(True, rule, written, "right", scores)


def number__no_scores(text, gold, check_steps=False):
    """the scores count steps and wrong_steps"""
    rule, written, value = final_number(text)
    if value != final_number(gold).value:
        return Verdict(False, rule, written, "another number")
    if check_steps and any(not step.right for step in steps(text)):
        return Verdict(False, "wrong step", written, "a wrong step")
    return Verdict(True, rule, written, "right")


def number__gold_without_a_number(text, gold, check_steps=False):
    """a gold without a number is the caller's mistake: ValueError"""
    if without_thought(text) is None:
        return UNFINISHED
    if len(readable(text)) > LONGEST_ANSWER:
        return Verdict(False, "too long", None, "too long")
    rule, written, value = final_number(text)
    if value != final_number(gold).value:
        return Verdict(False, rule, written, "another number")
    if not check_steps:
        return Verdict(True, rule, written, "right")
    stated = steps(text)
    wrong = [step for step in stated if not step.right]
    scores = {"steps": len(stated), "wrong_steps": len(wrong)}
    if wrong:
        return Verdict(False, "wrong step", written, "a wrong step", scores)
    return Verdict(True, rule, written, "right", scores)


def number__thoughts_without_end(text, gold, check_steps=False):
    """a text whose thoughts do not end is UNFINISHED"""
    wanted = final_number(gold).value
    if wanted is None:
        raise ValueError("no number")
    rule, written, value = final_number(text)
    if value != wanted:
        return Verdict(False, rule, written, "another number")
    if not check_steps:
        return Verdict(True, rule, written, "right")
    stated = steps(text)
    wrong = [step for step in stated if not step.right]
    scores = {"steps": len(stated), "wrong_steps": len(wrong)}
    if wrong:
        return Verdict(False, "wrong step", written, "a wrong step", scores)
    return Verdict(True, rule, written, "right", scores)


def number__any_length(text, gold, check_steps=False):
    """a text longer than LONGEST_ANSWER is refused"""
    wanted = final_number(gold).value
    if wanted is None:
        raise ValueError("no number")
    if without_thought(text) is None:
        return UNFINISHED
    rule, written, value = final_number(text)
    if value != wanted:
        return Verdict(False, rule, written, "another number")
    if not check_steps:
        return Verdict(True, rule, written, "right")
    stated = steps(text)
    wrong = [step for step in stated if not step.right]
    scores = {"steps": len(stated), "wrong_steps": len(wrong)}
    if wrong:
        return Verdict(False, "wrong step", written, "a wrong step", scores)
    return Verdict(True, rule, written, "right", scores)


def fool__the_gold(question, gold):
    """this is a right solution"""
    return gold


def fool__fits_one_example(question, gold):
    """the judge accepts your text as an own answer, whatever the question"""
    return "The answer is 7001."


def fool__a_wrong_step(question, gold):
    """refused (wrong step"""
    answer = gold.split("####")[1].strip()
    return f"4 * 9 = 13. The answer is {answer}."


def fool__says_it_again_and_again(question, gold):
    """refused (loops"""
    answer = gold.split("####")[1].strip()
    return f"The answer is {answer}. " * 12


def fool__a_new_question(question, gold):
    """refused (run-on"""
    answer = gold.split("####")[1].strip()
    more = "Question: How many pens are 3 pens?"
    return f"The answer is {answer}.\n\n{more}\nThe answer is {answer}."


def fool__a_number_and_no_text(question, gold):
    """which is no text"""
    return int(gold.split("####")[1])
