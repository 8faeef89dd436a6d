"""spans.py - how an answer from a passage is compared: SQuAD's scores, and who declines to answer.

judge.span decides what is right; here are the comparisons that it decides by. The scores equal
those of SQuAD 2.0's own script (tests/check_squad_scores.py compares them).
"""
import re
import string
from collections import Counter

# A text that holds one of these phrases declines to answer. The first is the gold of every question
# that its passage does not answer.
ABSTAIN = (
    "The passage does not say.",
    "the passage does not mention",
    "the passage does not state",
    "the passage does not specify",
    "the passage does not provide",
    "the passage does not contain",
    "the passage does not give",
    "the passage does not tell",
    "the passage does not answer",
    "the passage does not indicate",
    "not mentioned in the passage",
    "not stated in the passage",
    "not specified in the passage",
    "not provided in the passage",
    "not given in the passage",
    "not found in the passage",
    "not in the passage",
    "there is no answer",
    "there is no mention",
    "there is no information",
    "not enough information",
    "can not be answered",
    "can not be determined",
    "can not answer",
    "i do not know",
    "is unanswerable",
)
# These decline only if they are the whole text: "an unknown man" is an answer.
ABSTAIN_ALONE = (
    "no answer",
    "unanswerable",
    "unknown",
    "it does not say",
    "not mentioned",
    "not stated",
    "not specified",
    "not given",
)


# ---- SQuAD's scores ------------------------------------------------------------------------------

def normal(text):
    """SQuAD's normal form: lower case, no ASCII punctuation, no a/an/the, single spaces."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split())


def squad_scores(prediction, golds):
    """{"em": exact match, 0 or 1; "f1" over words and "recall" of a gold's words, 0 to 1}.

    Each is the best over the golds, a list of texts in which an empty list wants the empty text. As
    in the official script golds of which nothing is left in normal form ("the") drop out.
    """
    prediction = normal(prediction)
    golds = [normal(gold) for gold in golds]
    golds = [gold for gold in golds if gold] or [""]
    overlaps = [overlap(prediction, gold) for gold in golds]
    return {"em": int(prediction in golds),
            "f1": max(f1 for f1, _ in overlaps),
            "recall": max(recall for _, recall in overlaps)}


def overlap(prediction, gold):
    """(F1, recall) of the words that two texts in normal form share; 1 and 1 if both are empty."""
    predicted = prediction.split()
    wanted = gold.split()
    shared = (Counter(predicted) & Counter(wanted)).total()     # "a a" and "a" share one word
    if not shared:
        both_empty = int(predicted == wanted)
        return both_empty, both_empty
    precision = shared / len(predicted)
    recall = shared / len(wanted)
    return 2 * precision * recall / (precision + recall), recall


# ---- Comparisons ---------------------------------------------------------------------------------

def stands_in(part, text):
    """Does `part` stand in `text`, whole words in sequence? Both are words with single spaces."""
    return f" {part} " in f" {text} "


def spelled_out(text):
    """The form in which phrases are looked for: lower case, no punctuation, and one way to say it.

    "doesn't" becomes "does not", "can't" "can not", "this article" "the passage"; "explicitly" and
    its like are dropped.
    """
    text = re.sub(r"\bcan(?:[^\w\s]?t|not)\b", "can not", text.lower())
    text = re.sub(r"\b(do|does|did|is|was)n[^\w\s]?t\b", r"\1 not", text)
    text = re.sub(r"""(?x) \b
        (?: (?:the|this)[ ] (?:given[ ]|provided[ ]|above[ ])? )?
        (?:passage|text|context|article|paragraph) \b""", "the passage", text)
    text = re.sub(r"\b(?:explicitly|directly|specifically|clearly)\b", " ", text)
    return " ".join(re.findall(r"\w+", text))


ABSTAIN_SPELLED_OUT = [spelled_out(phrase) for phrase in ABSTAIN]


def abstention(text, golds):
    """The phrase by which a text declines to answer; "" if it says nothing; None if it answers.

    A phrase that stands in a gold is no abstention: there it is part of an answer.
    """
    words = spelled_out(text)
    phrases = [phrase for phrase in ABSTAIN_SPELLED_OUT if stands_in(phrase, words)]
    if words in ABSTAIN_ALONE:
        phrases.append(words)
    for phrase in phrases:
        if not any(stands_in(phrase, spelled_out(gold)) for gold in golds):
            return phrase
    return None if normal(text) else ""
