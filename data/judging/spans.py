"""spans.py - how an answer from a passage is compared: SQuAD's scores, and who declines to answer.

judge.span decides what is right; here are the comparisons that it decides by. The scores equal
those of SQuAD 2.0's own script (tests/check_squad_scores.py compares them).
"""
import re
import string
import unicodedata
from collections import Counter

# The gold of every question that its passage does not answer.
DOES_NOT_SAY = "The passage does not say."

# To tell something, in any form: say, stated, specifies, given.
TELL = """(?: (?: say|stat|mention|specif|provid|contain|giv|answer|indicat|includ|reveal|disclos
    |identif|nam|list|explain|discuss|address|cover|describ|clarif|report|offer|present|detail
    |refer|defin|suppl|show|record|talk ) (?:e|y|s|es|ies|d|ed|ied|en|n)?
    | tell|tells|told|said|found|known|available|has|have|make|makes|made )"""
DETERMINE = "(?:answer|determine|infer|deduce|conclude|tell|say|know|find)(?:d|ed)?"
NO = "(?:no|not[ ]any|not[ ]enough|insufficient)"

# How a sentence declines to answer, in the form that `spelled_out` gives it.
#   accepted   the passage makes no mention of it      it is not stated in the passage      unknown
#   refused    Berg was not mentioned until 1990       an unknown man
DECLINES = re.compile("|".join((
    # the passage does not say, contains no date, is silent
    rf"\b the[ ](?:\w+[ ])? (?:passage|author|information) [ ]"
    rf"   (?: (?:(?:do|does|did)[ ]not|never|fails[ ]to) [ ]{TELL}\b"
    rf"     | {TELL}[ ](?:{NO}|nothing)\b | lacks\b"
    rf"     | is[ ](?:silent|unclear|not[ ]clear)\b )",
    r"^ it[ ]does[ ]not[ ] (?:say|tell|mention|state|specify|indicate) \b",
    rf"^ nothing[ ](?:is|was)[ ]{TELL}\b",
    # not mentioned in the passage, nothing in the passage
    rf"\b (?:not|nothing)[ ] (?:be[ ])? (?: {TELL}[ ] (?:\w+[ ]){{0,2}}? )?"
    rf"   (?:in|by|from|on)[ ]the[ ]passage \b",
    # there is no answer, not enough information
    rf"\b there[ ](?:is|are|was|were|s)[ ]{NO}[ ] (?:answer|mention|indication|information) \b",
    rf"(?: ^{NO} | \b(?:not[ ](?:have[ ])?enough|insufficient) )[ ]"
    rf"   (?:\w+[ ])? (?:mention|information|info|details?|data|evidence) \b (?![ ]technology)",
    # it can not be answered, i do not know, impossible to tell
    r"\b can[ ]not[ ]be[ ](?:answered|determined|inferred|deduced|concluded) \b",
    rf"\b (?:i|we|one)[ ](?:can[ ]not|could[ ]not|do[ ]not|(?:am|are|m)[ ]unable[ ]to)[ ]"
    rf"   {DETERMINE} \b",
    rf"\b (?: can[ ]not[ ]answer | (?:im|not[ ])possible[ ]to[ ]{DETERMINE}"
    rf"      | i[ ](?:am|m)[ ]not[ ]sure | (?:i|we)[ ]are[ ]not[ ]told ) \b",
    # unknown, it is not stated, the answer is not known from the passage
    rf"(?: ^ | (?<=s[ ]) | (?<=are[ ]) | (?<=answer[ ]) | (?<=can[ ]) | (?<=information[ ]) )"
    rf"   (?: un(?:known|clear|certain|specified|disclosed|determined|answerable)"
    rf"     | not[ ](?:be[ ])?(?:{TELL}|clear|certain|applicable)"
    rf"     | no[ ](?:answer|idea)(?:[ ](?:can[ ]be[ ])?{TELL})? | none[ ]{TELL} | n[ ]?a )"
    rf"   (?:[ ] (?: here | (?:in|by|from|based[ ]on|according[ ]to)[ ]the[ ]passage"
    rf"            | (?:who|what|when|where|which|why|how|whether)\b .* ) )? $",
)), re.VERBOSE)

# What may stand beside such a sentence, where more would be an answer.
#   accepted   I'm sorry      The text only mentions Oslo
#   refused    Ole Berg wrote it
NO_ANSWER = re.compile(
    r"the passage|sorry|unfortunately|^it (?:only|just|does|says|mentions|describes|states)\b")

NEXT_CLAUSE = re.compile(r"[;(\n]|\b(?:but|however|(?:al)?though|so|perhaps|maybe|probably)\b")

# Not after Mr. or U.S.
SENTENCE_END = re.compile(r"(?<![A-Z.!?])(?<!\b[A-Z][a-z])(?<!\bMrs)[.!?]+\s+(?=[A-Z])")

# A question in an answer repeats what was asked.
#   accepted   Q: Who lives in Oslo?
#   refused    It was "Who Goes There?"
QUESTION = re.compile(r"""
    (?: ^ | [.!:\n] \s{0,3} )
    (?: who | whom | whose | what | when | where | which | why | how | is | are | was | were
      | do | does | did | can | has | have ) \b [^.!?\n]{0,300} \?""", re.VERBOSE | re.IGNORECASE)


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
    text = re.sub(r"\b(do|does|did|is|are|was|were|could)n[^\w\s]?t\b", r"\1 not", text)
    text = re.sub(r"""(?x) \b
        (?: (?:the|this)[ ] (?:given[ ]|provided[ ]|above[ ])? )?
        (?:passage|text|context|article|paragraph|document|excerpt|story) \b""",
                  "the passage", text)
    text = re.sub(r"\b(?:explicitly|directly|specifically|clearly|actually|really)\b", " ", text)
    return " ".join(re.findall(r"\w+", text))


def abstention(text, golds):
    """The phrase by which a text declines to answer; "" if it says nothing; None if it answers.

    A phrase that stands in a gold is no abstention: there it is part of an answer. Where the
    passage does not say (no golds), a text that declines and yet answers counts as answering.

    accepted   "Sorry, but the text does not say. It only mentions Oslo."
    refused    "The passage does not say, but Ole Berg wrote it."
    """
    phrases = []
    answers_too = False
    lines = SENTENCE_END.sub("\n", QUESTION.sub("", text))
    for part in NEXT_CLAUSE.split(lines):
        words = spelled_out(part)
        declines = DECLINES.search(words)
        if declines and not any(stands_in(declines[0], spelled_out(gold)) for gold in golds):
            phrases.append(declines[0])
        elif words and not NO_ANSWER.search(words):
            answers_too = True
    if phrases and (golds or not answers_too):
        return phrases[0]
    return None if normal(text) else ""


# ---- A gold among other words --------------------------------------------------------------------

GOLD = "¤"              # stands for a gold in a text
NEXT = "¦"              # for a comma or the end of a sentence, where the next item of a list begins
OTHER = "‖"             # for what parts alternatives: a slash, a semicolon, the end of a line

# Behind a number: it is part of another value.
#   accepted   15 million      five hundred      15 to 20      15 and a half
#   refused    15 people       Ole Berg 15
VALUE_GOES_ON = (r"[ ] (?: (?<= [0-9][ ]) (?:to[ ]|and[ ])? [0-9] | and[ ]half\b "
                 r"| (?:hundred|thousand|million|billion|trillion|dozen)\b )")

# The beginning of the question, with the gold in it.
#   accepted   The author of GOLD is Kari Lund      The man who wrote GOLD was Kari Lund
#   refused    GOLD is the author      The author is GOLD
ECHO = re.compile(rf"""^ (?:\w+[ ]){{1,3}} (?:of|in|for|from|on|at|through|who|that|which)[ ]
    (?:\w+[ ]){{0,2}} {GOLD}[ ] (?:is|was|are|were)[ ] (?= \S+ (?:[ ]\S+){{0,3}} $)""", re.VERBOSE)

# Words beside a gold that leave it open, or deny it.
#   accepted   either GOLD      Kari Lund or GOLD      it might be GOLD      GOLD or Kari Lund
#   refused    GOLD, in 1990 or 1991
HEDGE = re.compile(rf"""
      \b (?: or | either | neither | nor | versus | vs | maybe | perhaps | possibly
          | (?:could|might|may)[ ](?:also[ ])?(?:be|have[ ]been) ) [ ] (?:\w+[ ]){{0,2}} {GOLD}
    | \b not[ ]{GOLD}
    | {GOLD}[ ] (?:\S+[ ])? (?: or | nor | versus | vs )[ ]""", re.VERBOSE)

# Words that stand in no item of a list: "Ole Berg, in 1990".
NO_ITEM = set("""in on at to by from with as who which where when that is was are were has had he
                 she it they there""".split())


def alike(text):
    """The text with one way to write what looks alike: accents, quotes, dashes."""
    text = unicodedata.normalize("NFC", text)
    text = re.sub(f"[“”„‘’‚«»‹›\u200b\u00ad{GOLD}{NEXT}{OTHER}]", "", text)
    text = re.sub(r"(?<=[0-9])\s*[-‐‑‒–—−]\s*(?=[0-9])", "-", text)         # 1990 – 2000
    text = re.sub("—", " - ", text)
    text = re.sub("[‐‑‒–−]", "-", text)
    return re.sub(r"(?<=\w)-\s+(?=\w)|(?<=\w)\s+-(?=[^\W0-9])", "-", text)  # early- life


def with_marks(text):
    """SQuAD's normal form of `alike`, with NEXT and OTHER where a list may go on."""
    text = SENTENCE_END.sub(f" {NEXT} ", alike(text))
    text = re.sub(r"(?<![0-9])/|/(?![0-9])|[;|]|(?<!:)\n", f" {OTHER} ", text)
    text = re.sub(r",(?=\s)", f" {NEXT} ", text)
    return normal(text).strip(f" {NEXT}{OTHER}")


def mark_golds(text, golds):
    """The text `with_marks`, with GOLD for every gold that is stated in it as a whole value.

    What repeats the question is left out: "Who wrote GOLD?", "The author of GOLD is".
    """
    text = with_marks(QUESTION.sub("\n", text))
    forms = []
    for gold in golds:
        words = [re.escape(word) for word in with_marks(gold).split() if word not in (NEXT, OTHER)]
        if 0 < len(words) <= len(text.split()):
            forms.append(rf"[ ](?:[{NEXT}{OTHER}][ ])?".join(words))
    if not forms:
        return text
    forms.sort(key=len, reverse=True)               # of "Ole" and "Ole Berg" the longer one
    stated = re.compile(rf"""(?<!\S) (?<![0-9][ ]to[ ]) (?:{'|'.join(forms)}) (?!\S)
        (?! {VALUE_GOES_ON} )""", re.VERBOSE)
    return ECHO.sub("", stated.sub(GOLD, text))


def names_others(marked):
    """Does a text of `mark_golds` name other answers beside the gold?

    refused    "Ole Berg or Kari Lund"      "Ole Berg, Kari Lund, Per Moe"      "not Ole Berg"
    accepted   "Ole Berg, the author"       "Oslo, Norway"
    """
    if HEDGE.search(marked):
        return True
    pieces = [piece.split() for piece in re.split(rf" [{NEXT}{OTHER}] |\band\b", marked)]
    pieces = [words for words in pieces if words]
    gold_alone = [GOLD] in pieces or pieces[0][-1] == GOLD
    items = all(len(words) <= 3 and NO_ITEM.isdisjoint(words) for words in pieces[1:])
    others = any(GOLD not in words for words in pieces[1:]) or GOLD not in pieces[0]
    several = len(pieces) > 2 or OTHER in marked or " and " in marked        # "Oslo, Norway" is one
    return gold_alone and items and others and several


def says_it_thrice(marked):
    """Do the same words stand three times in a row? "¤ ¤ ¤", "it was ¤ it was ¤ it was ¤"."""
    words = [word for word in marked.split() if word not in (NEXT, OTHER)]
    for size in range(1, len(words) // 3 + 1):
        for start in range(len(words) - 3 * size + 1):
            first = words[start:start + size]
            if words[start:start + 3 * size] == first * 3:
                return True
    return False
