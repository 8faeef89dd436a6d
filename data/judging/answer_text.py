"""answer_text.py - what of a text is the answer: no thoughts, no further questions, no loops.

    thought    text that the model wrote for itself, in <think> .. </think>: no judge reads it
    run-on     a next question that the model puts to itself behind its answer
    loop       the same words over and over: right perhaps, but nothing to train on
    leak       a paraphrase that speaks of the text that it was made from
    copy       a piece of the question, and nothing else
"""
import re

# ---- Thoughts ------------------------------------------------------------------------------------

THINK = "(?:think|thinking|thought|thoughts|reasoning)"
WHOLE_THOUGHT = re.compile(rf"<{THINK}>.*?</{THINK}>", re.DOTALL | re.IGNORECASE)
END_OF_THOUGHT = re.compile(rf"</{THINK}>", re.IGNORECASE)
OPEN_THOUGHT = re.compile(rf"<{THINK}>", re.IGNORECASE)


def without_thought(text):
    """The text behind its thoughts; None where a thought does not end, since no answer follows.

    Before a lone </think> all is thought: there the prompt ends with <think>.
    """
    if "<" not in text:
        return text
    text = WHOLE_THOUGHT.sub("", text)
    text = END_OF_THOUGHT.split(text)[-1]
    if OPEN_THOUGHT.search(text):
        return None
    return text


# ---- Run-ons -------------------------------------------------------------------------------------

# A line with which a next question begins.
#   numbered, or a role      "### Question 2"      "Exercise 3: .."      "user" (alone on its line)
#                            but not "Task 1: ..", with which an answer that has parts begins
#   other headings           "Question: .."        "Q: .."
#   no heading               "The question: .."    "Questions: .."
NEXT_TURN = re.compile(r"""
    \n [ \t#*<|\[]{0,12}
    (?: (?P<heading> Question | Q | Problem | Exercise | Example | Task | Puzzle )
            [ ]? \#? (?! 1 \b ) [0-9]{1,4} [ \t*]* (?: [:.)] | \n | $ )
      | (?: Human | User | Assistant | Instruction | Prompt | System )
            [ \t*|>\]]* (?: : | \n | $ ) )
    """, re.VERBOSE | re.IGNORECASE)
NEXT_QUESTION = re.compile(r"""
    \n [ \t#*]{0,8} (?: Question | Q | Problem | Exercise | Example ) [ \t*]* :""", re.VERBOSE)
# What ends a turn, written out.
END_TOKEN = re.compile(r"<\|[a-z_]{2,20}\|>|</s>|<eos>|\[/?INST\]")
# Behind the #### of GSM8K: a new paragraph that asks.
BARE_QUESTION = re.compile(r"####[ ]?[^\n#]{1,40}\n\s*\n[^?]{1,600}\?")


def run_on(text, marker):
    """Where in a text a next question begins; None: nowhere.

    marker: the pattern of what announces an answer ("the answer is"). What stands before the first
    number is no run-on: some models repeat the question before they answer. Nor is "Question: how
    many pens?" halfway, if the answer comes only behind it.
    """
    first_digit = re.search("[0-9]", text)
    if not first_digit:
        return None
    places = []
    end = END_TOKEN.search(text, first_digit.end())
    if end:
        places.append(end.start())
    turn = NEXT_TURN.search(text, first_digit.end())
    # "Question 2" belongs to the answer where the model has cut the problem into questions
    heading = turn and turn["heading"]              # None also for a role, "user"
    if turn and not (heading and re.search(rf"{heading} ?[0-9]", text[:turn.start()])):
        places.append(turn.start())
    question = NEXT_QUESTION.search(text, first_digit.end())
    if question:
        before = marker.search(text, 0, question.start())
        behind = marker.search(text, question.end())
        if before or not behind:
            places.append(question.start())
    asked = BARE_QUESTION.search(text)
    if asked:
        places.append(text.index("\n", asked.start()))
    return min(places, default=None)


# ---- What no target may be -----------------------------------------------------------------------

# The same piece four times in a row: words, equations, or numbers with only spaces between.
# "10 + 10 + 10 + 10" and "5, 5, 5, 5" are none.
LOOP = re.compile(r"""
    (?P<piece> (?: [^\W_] | \\boxed ) .{0,200}? [\s.,;:!?}]{1,3} ) (?P=piece){3}
    """, re.VERBOSE | re.DOTALL)
LOOPING_PIECE = re.compile(r"""
      .* = .*                                                      # an equation
    | [0-9]+ [\s\#]+                                               # 13 13 13 13
    | (?! .* ,\s*$ ) [^+*/^]* [^\W\d_]{2} [^+*/^]*                  # words, but for "no, no, no,"
    """, re.VERBOSE | re.DOTALL)

# Without these, steps that say the same are the same: "Step 3:", "3."
STEP_NUMBER = re.compile(r"(?:\b[Ss]tep|^) *[0-9]{1,3}[.:)]", re.MULTILINE)


def loops(text):
    """The piece that a text repeats four times in a row or more; None: no such piece."""
    for match in LOOP.finditer(STEP_NUMBER.sub("", text)):
        if LOOPING_PIECE.fullmatch(match["piece"]):
            return match["piece"].strip()
    return None


ANSWER = "(?:answer|solution|response|explanation)s?"
# Words for the gold that a paraphrase was shown, or for the request to tell it again.
#   matches          the given answer      the solution above      according to the reference,
#   does not match   the reference book    we rewrite 1/2 as 2/4   the answer is
LEAK = re.compile(rf"""
      \b (?: given | gold | above | reference | provided | supplied | sample | model | expected
           | rewritten | rephrased | reworded | paraphrased ) [ -] {ANSWER} \b
    | \b (?: rewrit | rephras | reword | paraphras ) \w* [ ] (?: \w+[ ] ){{0,3}}
         (?: {ANSWER} | text ) \b
    | \b {ANSWER} [ ] (?: (?: shown | given | stated | provided | written | described
                             | from | in | of | the ) [ ] ){{0,3}} (?: above | reference ) \b
    | \b {ANSWER} [ ] (?: (?:that|which|you|was|is)[ ] ){{0,2}}
         (?: gave | given | provided | supplied ) \b (?! [ ] (?:that|the|a)\b )
    | \b (?: the | this ) [ ] reference \b (?= [.,;:!?)] | $
         | [ ] (?: says | said | states | shows | gives | tells | has | is | explains | does ) \b )
    | \b (?: your | my ) [ ] response \b
    | \b (?: own [ ] words | ground [ ] truth ) \b
    """, re.VERBOSE | re.IGNORECASE)


def leak(text):
    """The words by which a paraphrase speaks of its prompt; None: there are none."""
    match = LEAK.search(text)
    return match[0] if match else None


def is_copy(text, question):
    """Is a text of more than three words one piece of the question?"""
    words = text.split()
    return len(words) > 3 and " ".join(words) in " ".join(question.split())
