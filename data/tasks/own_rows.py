"""own_rows.py - a row of the user's own data as a chat: which of its fields say what.

    the question and its answer     the first of FIELDS that every row has
    shown before the question       SYSTEM, HISTORY, BEFORE
    shown after it                  AFTER, OPTIONS ("A. red", one a line), fields A, B, ..
    read by nobody                  all others: `unread` counts them, and the run names them
    refused                         NO_TEXT, and calls of tools
"""
import itertools
import json
import math
import re
from string import ascii_uppercase

from data import UserError, checked_text, is_list_of_texts, text_field

QUESTIONS = ("question", "prompt", "instruction", "problem", "query", "input")
ANSWERS = ("answer", "completion", "output", "response", "solution", "chosen", "answerKey",
           "correct_answer")
# A question and its answer, or a whole chat.
FIRST = (("question", "answer"), ("prompt", "completion"), ("instruction", "output"), ("messages",),
         ("conversations",), ("problem", "solution"))
FIELDS = tuple(dict.fromkeys([*FIRST, *itertools.product(QUESTIONS, ANSWERS), ("chosen",)]))
CHATS = ("messages", "conversations", "prompt", "completion", "chosen")     # may be lists
SYSTEM = ("system", "system_prompt")
HISTORY = ("history",)
CONTEXT = ("context", "contexts", "passage", "passages", "document", "documents", "article")
BEFORE = ("instruction", *CONTEXT)
AFTER = ("input",)
OPTIONS = ("options", "choices")
OPTION_FIELD = re.compile(r"[A-H]|(?:option|choice|op)[ _]?[A-Ha-h1-8]")    # one field an option
NO_TEXT = ("image", "images", "audio", "audios", "video", "videos")
JUDGED_BY = ("label", "kto_tag")         # KTO: false where the answer is a bad one

ROLES = {"human": "user", "gpt": "assistant", "developer": "system"}
CHAT_RULE = ("a chat is an optional system message, then user and assistant in turn, "
             "the assistant last")


def fields_of(path, unit, rows):
    """The first of FIELDS that every row of a file has. UserError names the first row without it.

    unit, rows: as `data.read_rows` returns them.
    """
    fitting = FIELDS                 # those that all rows so far have
    for n, row in rows:
        names = list(row) if isinstance(row, dict) else []
        left = [fields for fields in fitting if set(fields) <= set(names)]
        if not left:
            has = ", ".join(repr(name[:30]) for name in names[:8]) or "no fields"
            needed = " or ".join("/".join(fields) for fields in fitting[:5])
            raise UserError(f"{path}, {unit}{n}: has {has}; every {unit}must have {needed}, "
                            "all the same (data/tasks/README.md lists more names)")
        fitting = left
    return fitting[0]


def filled(row, names):
    """Those of the fields that a row has and that are not empty."""
    return [name for name in names if row.get(name) is not None
            and row[name] not in ([], {}) and str(row[name]).strip()]


def is_bad(row):
    """Is it a row of KTO that shows how not to answer?"""
    labels = [str(row.get(name)).strip().lower() for name in JUDGED_BY]
    # beside other fields than KTO's, a label of 0 may be the number of a class
    return "false" in labels or ("completion" in row and "0" in labels)


def unread(rows, read):
    """How many rows have fields, or keys of messages, that are not empty and not in `read`.

    -> {"'level'": 12, "'weight' in 'messages'": 3}
    """
    counts = {}
    for _, row in rows:
        names = [repr(name[:30]) for name in filled(row, row) if name not in read]
        for field in read:
            messages = row.get(field)
            if isinstance(messages, list) and field not in OPTIONS:
                keys = [key for message in messages if isinstance(message, dict)
                        for key in filled(message, message)]
                names += [f"{key[:30]!r} in {field!r}" for key in dict.fromkeys(keys)
                          if key not in ("role", "content", "from", "value")]
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return counts


# ---------------------------------------------------------------- a row as a chat

def chat_of(row, fields):
    """A row -> (its chat, the gold last: [{"role", "content"}, ..]; the fields that it is made of).

    ValueError: what is wrong with it.
    """
    no_text = filled(row, NO_TEXT)
    if no_text:
        raise ValueError(f"has {no_text[0]!r}; only text can be learnt: delete the row")
    option_fields, options = options_of(row)
    before, after = BEFORE, AFTER
    if len(fields) == 1:             # beside a chat these mostly repeat what stands in it
        before, after = CONTEXT, ()
        messages = messages_of(row, fields[0])
    else:
        question, answer = fields
        if options:
            row = row | {answer: answer_among(row[answer], options, answer)}
        elif type(row[answer]) in (int, float) and math.isfinite(row[answer]):
            row = row | {answer: json.dumps(row[answer])}
        messages = messages_of(row, question, "user")
        completion = messages_of(row, answer, "assistant")
        *before_answer, last = completion
        if before_answer[-len(messages):] == messages:      # files of DPO often repeat the question
            messages = before_answer
        elif before_answer:
            raise ValueError(f"the field {answer!r} holds several messages; it needs one, the "
                             f"assistant's, or those of {question!r} before it")
        messages = [*messages, last]

    system = filled(row, SYSTEM)
    history = filled(row, HISTORY)
    before = [name for name in filled(row, before) if name not in fields]
    after = [name for name in filled(row, after) if name not in fields]
    start = [{"role": "system", "content": text_field(row, name)} for name in system]
    messages = start + (turns_of(row) if history else []) + messages
    check_roles(messages)

    question = messages[-2]
    pieces = [text_or_texts(row, name) for name in before]
    # Some files repeat the context in the question.
    pieces = [text for text in pieces if text not in question["content"]]
    pieces.append(question["content"])
    pieces += [text_or_texts(row, name) for name in after]
    if options:
        pieces.append("\n".join(f"{label}. {text}" for label, text in options.items()))
        if messages[-1]["content"] in options:
            pieces.append(f"Answer with one of {', '.join(options)}.")
    question["content"] = "\n\n".join(pieces)
    return messages, [*fields, *system, *history, *before, *after, *option_fields]


def check_roles(messages):
    """ValueError unless the roles follow CHAT_RULE."""
    roles = [message["role"] for message in messages]
    turns = roles[1:] if roles[0] == "system" else roles
    if not turns or turns != ["user", "assistant"] * (len(turns) // 2):
        raise ValueError(f"its messages have the roles {str(roles)[:200]}; {CHAT_RULE}")


def text_or_texts(row, name):
    """The text in a field; where it is a list of texts, these one after another."""
    if is_list_of_texts(row[name]):
        return "\n\n".join(row[name])
    return text_field(row, name)


def turns_of(row):
    """The field 'history' -> messages: it has a [user, assistant] pair a turn, or messages."""
    history = row["history"]
    if isinstance(history, list) and isinstance(history[0], dict):
        return messages_of(row, "history")
    if not isinstance(history, list) or not all(map(is_list_of_texts, history)):
        raise ValueError("the field 'history' is no list of turns; "
                         'write [["what the user said", "the answer"], ..]')
    messages = []
    for turn in history:
        if len(turn) != 2:
            raise ValueError(f"a turn of the field 'history' has {len(turn)} texts; it needs two")
        for role, text in zip(("user", "assistant"), turn):
            content = checked_text(text, "a text of the field 'history'")
            messages.append({"role": role, "content": content})
    return messages


def messages_of(row, field, role=None):
    """A field's chat messages, with text contents and without other keys.

    role: a text is taken as one message of this role; None: it has to be a list.
    """
    value = row[field]
    if role and not (isinstance(value, list) and field in CHATS):
        return [{"role": role, "content": text_field(row, field)}]
    if not isinstance(value, list) or not value:
        raise ValueError(f"the field {field!r} is no list of messages, or an empty one; "
                         f"{CHAT_RULE}")
    messages = []
    for i, message in enumerate(value, 1):
        where = f"message {i} of {field!r}"
        is_object = isinstance(message, dict)
        names = ("from", "value") if is_object and "from" in message else ("role", "content")
        if not is_object or not set(names) <= set(message):
            raise ValueError(f"{where} has no 'role' or no 'content'; "
                             'write {"role": "user", "content": ".."}')
        if filled(message, ("tool_calls", "function_call")):
            raise ValueError(f"{where} calls a tool; only text can be learnt")
        its_role, content = [message[name] for name in names]
        its_role = ROLES.get(str(its_role), its_role)
        content = joined(content, where)
        if (its_role, content) != ("system", ""):       # which some files have in every row
            checked_text(content, where)
        messages.append({"role": its_role, "content": content})
    return messages


def joined(content, where):
    """A message's content; where it is a list of parts, as OpenAI has it, their texts together."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        is_text = isinstance(part, dict) and part.get("type") == "text"
        if not is_text or not isinstance(part.get("text"), str):
            raise ValueError(f"{where} has a part that is no text; only text can be learnt")
        texts.append(part["text"])
    return "".join(texts)


# ---------------------------------------------------------------- options

def options_of(row):
    """The options of a row of multiple choice -> (the fields they stand in, {label: text})."""
    for name in filled(row, OPTIONS):
        return [name], labelled(row[name], name)
    names = [name for name in filled(row, row) if OPTION_FIELD.fullmatch(name)]
    if len(names) < 2:
        return [], {}
    return names, {name[-1].upper(): text_field(row, name) for name in names}


def labelled(value, field):
    """A field with options, in any of four shapes -> {label: text}.

    ["red", "blue"], {"A": "red", "B": "blue"}, {"label": ["A", "B"], "text": ["red", "blue"]} or
    [{"label": "A", "text": "red"}, {"label": "B", "text": "blue"}].
    """
    labels = texts = None
    if isinstance(value, list) and all(isinstance(option, dict) for option in value):
        labels = [option.get("label") for option in value]
        texts = [option.get("text") for option in value]
    elif isinstance(value, list):
        labels = list(ascii_uppercase[:len(value)])
        texts = value
    elif isinstance(value, dict) and set(value) == {"label", "text"}:
        labels = value["label"]
        texts = value["text"]
    elif isinstance(value, dict):
        labels = list(value)
        texts = list(value.values())
    options = {}
    if isinstance(labels, list) and is_list_of_texts(texts):
        options = dict(zip(map(str, labels), texts))
    if not options or not len(options) == len(labels) == len(texts):
        raise ValueError(f"the field {field!r} is no list of options, at most 26 texts, each with "
                         "a label of its own; write a list of texts, or in CSV a column for each, "
                         "A, B, ..")
    return options


def answer_among(answer, options, field):
    """The gold of a row with options: the label that its answer names, or its text as it is.

    A whole number that is no label is an index, counted from 0.
    """
    labels = list(options)
    if type(answer) is float and answer.is_integer():           # some programs write 1 as 1.0
        answer = int(answer)
    if type(answer) is int and str(answer) not in labels and 0 <= answer < len(labels):
        return labels[answer]
    text = str(answer).strip()
    for label in labels:
        if text.strip("().: ").upper() == label.upper():
            if text in options.values() and options[label] != text:
                raise ValueError(f"the field {field!r} is {text!r}, the label of one option and "
                                 "the text of another; write the index of the one that is meant, "
                                 "from 0, as a JSON number")
            return label
    is_no_text = len(text) < 3 or re.fullmatch(r"[0-9]+\.0", text)      # an index, or another label
    if is_no_text and text not in options.values():
        raise ValueError(f"the field {field!r} is {text!r}, which is none of its options "
                         f"{', '.join(labels)}; write one of these, or its index from 0 as a "
                         "JSON number")
    return text if type(answer) in (int, float) else answer
