"""world_readings.py - the short readings of the teaching world: tiny-nq, and the passages that
pre-training shows.

    python data/tiny/world_readings.py      # prints a few: passage, question, gold, voice

A passage tells a few things about two or three lands or people. A question asks for one of them, in
other words, or for one that the passage does not tell (then it tells it of somebody else, or not at
all). The model has a voice of its own (a whole sentence), golds are a few words. Relations are
known, half known (rare in the text) or held out: a held-out relation never occurs in pre-training.
"""
import random
from dataclasses import dataclass

from world_words import HELD_NAMES, LANDS, NAMES, OBJECTS, THINGS, reserved

ABSTAIN = "The passage does not say."    # spans.DOES_NOT_SAY; a test compares


@dataclass(frozen=True)
class Relation:
    told: tuple                  # how a passage says it: {e} is the land or person, {v} the value
    asked: tuple
    voice: str                   # how the model answers
    value: str                   # person, place, year, number, goods
    kind: str                    # known, half, held


OF_LANDS = [
    Relation(("The king of {e} is {v}.", "{v} is the king of {e}."),
             ("Who is the king of {e}?",),
             "The king of {e} is {v}.", "person", "known"),
    Relation(("{e} was founded in {v}.", "In {v}, people founded {e}."),
             ("When was {e} founded?",),
             "{e} was founded in {v}.", "year", "known"),
    Relation(("{e} has {v} schools.", "There are {v} schools in {e}."),
             ("How many schools does {e} have?",),
             "{e} has {v} schools.", "number", "known"),
    Relation(("A road leads from {e} to {v}.",),
             ("Where does the road from {e} lead?",),
             "The road from {e} leads to {v}.", "place", "half"),
    Relation(("The tower of {e} was made by {v}.", "{v} made the tower of {e}."),
             ("Who made the tower of {e}?",),
             "{v} made the tower of {e}.", "person", "half"),
    Relation(("The twin of {e} is {v}.", "{e} is twinned with {v}."),
             ("With which land is {e} twinned?",),
             "{e} is twinned with {v}.", "place", "held"),
    Relation(("Fire destroyed the hall of {e} in {v}.", "In {v}, the hall of {e} burnt down."),
             ("In which year did the hall of {e} burn down?",),
             "The hall of {e} burnt down in {v}.", "year", "held"),
    Relation(("The doctor of {e} is called {v}.", "The sick of {e} go to {v}."),
             ("Who treats the sick of {e}?",),
             "The doctor of {e} is {v}.", "person", "held"),
]
OF_PEOPLE = [
    Relation(("{e} was born in {v}.",),
             ("When was {e} born?",),
             "{e} was born in {v}.", "year", "known"),
    Relation(("{e} lives in {v}.", "The home of {e} is in {v}."),
             ("Where does {e} live?",),
             "{e} lives in {v}.", "place", "known"),
    Relation(("The sister of {e} is {v}.", "{e} has a sister, {v}."),
             ("Who is the sister of {e}?",),
             "The sister of {e} is {v}.", "person", "known"),
    Relation(("{e} sells {v}.", "At the market {e} sells {v}."),
             ("What does {e} sell?",),
             "{e} sells {v}.", "goods", "half"),
    Relation(("{e} owns {v} sheep.",),
             ("How many sheep does {e} own?",),
             "{e} owns {v} sheep.", "number", "half"),
    Relation(("{e} learnt the trade from {v}.", "The teacher of {e} was {v}."),
             ("Who taught {e}?",),
             "{e} was taught by {v}.", "person", "held"),
    Relation(("{e} once sailed to {v}.", "A voyage took {e} to {v}."),
             ("Where did {e} sail to?",),
             "{e} sailed to {v}.", "place", "held"),
    Relation(("{e} won {v} races.", "In {v} races {e} came first."),
             ("How many races did {e} win?",),
             "{e} won {v} races.", "number", "held"),
]


@dataclass
class Reading:
    kind: str                    # of the relation asked for
    passage: str
    question: str
    answer: str                  # "" where the passage does not say
    voice: str


def value(r, sort, used):
    """A value of a sort that has not been used."""
    if sort == "year":
        return str(r.randint(1500, 1950))
    if sort == "number":
        return str(r.randint(12, 99))
    values = {"person": NAMES + HELD_NAMES, "place": LANDS, "goods": THINGS + OBJECTS}[sort]
    return r.choice([value for value in values if value not in used])


def reading(r, kind, unanswerable=None):
    """One reading whose question asks for a relation of this kind; three of ten are not answered by
    the passage."""
    order = ["known", "half", "held"]
    relations, names = r.choice([(OF_LANDS, LANDS), (OF_PEOPLE, NAMES + HELD_NAMES)])
    asked = r.choice([x for x in relations if x.kind == kind])
    others = [x for x in relations
              if x is not asked and order.index(x.kind) <= order.index(kind)]
    who = r.sample(names, r.choice([2, 3]))
    if unanswerable is None:
        unanswerable = r.random() < 0.3
    most = 2 if len(who) == 3 else 3
    sentences = []
    used = list(who)
    answer = ""
    for e in who:
        mine = r.sample(others, min(len(others), most))
        if e == who[0]:
            is_told = not unanswerable
        else:
            is_told = r.random() < 0.6
        if is_told:
            mine.append(asked)
        for relation in mine:
            v = value(r, relation.value, used)
            used.append(v)
            sentences.append(r.choice(relation.told).format(e=e, v=v))
            if relation is asked and e == who[0]:
                answer = v
    r.shuffle(sentences)
    question = r.choice(asked.asked).format(e=who[0])
    voice = asked.voice.format(e=who[0], v=answer) if answer else ABSTAIN
    return Reading(kind, " ".join(sentences), question, answer, voice)


def known_questions(r):
    """A passage on known relations with five questions and their answers in the model's voice:
    [passage, (question, voice), ...]."""
    while True:
        relations, names = r.choice([(OF_LANDS, LANDS), (OF_PEOPLE, NAMES + HELD_NAMES)])
        relations = [x for x in relations if is_shown(r, x)]
        who = r.sample(names, r.choice([2, 3]))
        facts = {}                   # {(land or person, relation): value}
        used = []
        for e in who:
            for relation in r.sample(relations, 2):
                facts[e, relation] = value(r, relation.value, used + who)
                used.append(facts[e, relation])
        sentences = [r.choice(relation.told).format(e=e, v=v)
                     for (e, relation), v in facts.items()]
        r.shuffle(sentences)
        passage = " ".join(sentences)
        pairs = [(e, relation) for e in who for relation in relations]
        asked = [pair for pair in r.sample(pairs, min(len(pairs), 6))
                 if pair in facts or r.random() < 0.5]
        if reserved(passage, 5):
            continue
        questions = []
        for e, relation in asked[:5]:
            question = r.choice(relation.asked).format(e=e)
            voice = ABSTAIN
            if (e, relation) in facts:
                voice = relation.voice.format(e=e, v=facts[e, relation])
            questions.append((question, voice))
        return [passage, *questions]


def is_shown(r, relation):
    """May pre-training tell it this time? Known ones always, half-known ones rarely."""
    return relation.kind == "known" or relation.kind == "half" and r.random() < HALF_SHARE


def gold(reading):
    return reading.answer or ABSTAIN


def known_reading(r):
    """A reading that pre-training may show: half-known relations rarely, held-out ones never."""
    while True:
        made = reading(r, "half" if r.random() < HALF_SHARE else "known")
        if not reserved(made.passage, 5):
            return made


HALF_SHARE = 0.12
SPLITS = {"train": 1200, "validation": 200, "test": 600}
ITEMS = {"known": 0.4, "half": 0.2, "held": 0.4}


def rows(seed, avoid=(), **splits):
    """Rows in MRQA's fields; an unanswerable question has no answers.

    avoid: passages that must not come.
    -> {"train": [{"context", "qas": [{"qid", "question", "answers", "kind", "voice"}]}, ...], ...}
    """
    r = random.Random(f"nq {seed}")
    seen = set(avoid)
    files = {}
    for split, n in (splits or SPLITS).items():
        files[split] = []
        while len(files[split]) < n:
            kind = r.choices(list(ITEMS), list(ITEMS.values()))[0]
            made = reading(r, kind)
            while made.passage in seen or not may_be_item(made):
                made = reading(r, kind)
            seen.add(made.passage)
            qa = {"qid": f"{split}-{len(files[split])}", "question": made.question,
                  "answers": [made.answer] if made.answer else [], "kind": kind,
                  "voice": made.voice}
            files[split].append({"context": made.passage, "qas": [qa]})
    return files


def may_be_item(reading):
    """It is so long that a copy of it is no answer, and pre-training does not show it."""
    is_long = len(reading.passage.split()) >= 27
    return is_long and (reading.kind == "held" or reserved(reading.passage, 5))


if __name__ == "__main__":
    r = random.Random(0)
    for kind in ("known", "known", "half", "held", "held"):
        made = reading(r, kind)
        print(f"--- {kind}: {made.passage}\n{made.question}\n"
              f"gold:  {gold(made)}\nvoice: {made.voice}")
