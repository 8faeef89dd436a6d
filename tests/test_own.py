"""The user's own data: which fields are read, what is asked, how the file is split, and what bad files get."""
import json
import os

import pytest

import judge
import s3ft
from data import UserError
from data.tasks import load_task
from data.tasks.own import REWRITE_ENDINGS, Own
from data.tasks.own_rows import FIELDS
from data.run.verdicts import Verdicts


def write(tmp_path, rows, name="mine.jsonl"):
    """Rows (objects, or lines as they are) -> the path of a file that holds them."""
    path = tmp_path / name
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def say(role, content):
    return {"role": role, "content": content}


def qa(n):
    return {"question": f"What colour is thing {n}?", "answer": f"It is colour {n}."}


def every(task):
    """All examples, in the order of the file."""
    examples = task.load("train") + task.load("validation") + task.load("test")
    return sorted(examples, key=lambda e: int(e.id.partition("-")[2]))


def error(make):
    """The one line that a mistake gets."""
    with pytest.raises(UserError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message and message.isprintable(), message
    return message


# ---------------------------------------------------------------- fields

USER, GOLD = say("user", "Say hi."), say("assistant", "Hi.")
CHATS = "chats from 'messages', each last message the answer"
TURNS = [say("system", "Be brief."), USER, GOLD, say("user", "Say bye.")]


@pytest.mark.parametrize("row, prompt, fields", [
    ({"question": "Say hi.", "answer": "Hi."}, [USER], "questions from 'question', answers from 'answer'"),
    ({"prompt": "Say hi.", "completion": " Hi."}, [USER], "questions from 'prompt', answers from 'completion'"),
    ({"prompt": [USER], "completion": [GOLD]}, [USER], "questions from 'prompt', answers from 'completion'"),
    ({"prompt": TURNS, "completion": "Hi."}, TURNS, "questions from 'prompt', answers from 'completion'"),
    ({"prompt": "Say hi.", "completion": [GOLD]}, [USER], "questions from 'prompt', answers from 'completion'"),
    ({"instruction": "Say hi.", "output": "Hi."}, [USER], "questions from 'instruction', answers from 'output'"),
    ({"instruction": "Say hi.", "input": "", "output": "Hi."}, [USER],
     "questions from 'instruction', answers from 'output'"),
    ({"instruction": "Say hi.", "input": None, "output": "Hi."}, [USER],
     "questions from 'instruction', answers from 'output'"),
    ({"instruction": "Translate.", "input": "Salut.", "output": "Hi."}, [say("user", "Translate.\n\nSalut.")],
     "questions from 'instruction' (and 'input'), answers from 'output'"),
    ({"messages": [USER, GOLD]}, [USER], CHATS),
    ({"messages": [say("system", "Be brief."), USER, GOLD]}, [say("system", "Be brief."), USER], CHATS),
    ({"messages": TURNS + [GOLD]}, TURNS, CHATS),
    ({"messages": [say("user", [{"type": "text", "text": "Say "}, {"type": "text", "text": "hi."}]),
                   GOLD | {"weight": 1}]}, [USER], CHATS),
    ({"question": "Say hi.", "answer": "Hi.", "messages": [], "prompt": 3, "voice": 7, "source": {"page": [1]}}, [USER],
     # the first pair is read, the rest is ignored
     "questions from 'question', answers from 'answer'"),
])
def test_fields_are_found_and_the_prompt_is_the_users_own(tmp_path, row, prompt, fields):
    name = next(pair[0] for pair in FIELDS if pair[0] in row)
    others = []
    for n in range(2):
        question = f"Other {n}."
        others.append(row | {name: [say("user", question), GOLD] if name == "messages" else question})
    task = Own(write(tmp_path, [row, *others]), "exact")
    example = every(task)[0]
    assert s3ft.ask(task, example) == prompt and task.gold(example) == "Hi." and task.fields == fields
    assert example.question == prompt[-1]["content"], "what people are shown is the last user message"


def test_asking_twice_gives_the_same_even_if_the_caller_edits_the_messages(tmp_path):
    task = Own(write(tmp_path, map(qa, range(3))), "exact")
    example = every(task)[0]
    s3ft.ask(task, example)[-1]["content"] = "edited"
    s3ft.rewrite(task, example)
    assert s3ft.ask(task, example) == [say("user", "What colour is thing 0?")]


def test_a_pair_must_stand_on_every_line(tmp_path):
    both = [{"question": f"q {n}", "messages": [say("user", f"m {n}"), GOLD]} for n in range(3)]
    # question/answer on the first line only: messages fits them all
    both[0]["answer"] = "a"
    assert every(Own(write(tmp_path, both), "exact"))[0].question == "m 0"


@pytest.mark.parametrize("ids, expected", [
    (["a", "b", 7], ["a", "b", "7"]),
    (["a", None, "c"], ["line-1", "line-2", "line-3"]), ([1.5, 2.5, 3.5], ["line-1", "line-2", "line-3"]),
    ([True, 1, 2], ["line-1", "line-2", "line-3"]),
])
def test_ids_are_used_where_every_line_has_one(tmp_path, ids, expected):
    task = Own(write(tmp_path, [qa(n) | {"id": id} for n, id in enumerate(ids)]), "exact")
    found = {e.question: e.id for split in ("train", "validation", "test") for e in task.load(split)}
    assert [found[qa(n)["question"]] for n in range(3)] == expected


def test_byte_order_mark_crlf_and_blank_lines_are_read(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(json.dumps(qa(n)) + "\r\n" for n in range(3)).encode())
    assert [e.question for e in every(Own(path, "exact"))] == [qa(n)["question"] for n in range(3)]


# ---------------------------------------------------------------- other people's formats

OPTIONS = "Say hi.\n\nA. Ho\nB. Hi\n\nAnswer with one of A, B."
SYSTEM = say("system", "Be brief.")
EARLIER = [say("user", "Hello?"), say("assistant", "Hello.")]


def three(row):
    """The row, and two that differ from it in what they ask."""
    return [json.loads(json.dumps(row).replace("Say", verb)) for verb in ("Say", "Sing", "Shout")]


@pytest.mark.parametrize("row, prompt, gold, taken", [
    # other names of question and answer
    ({"problem": "Say hi.", "solution": "Hi."}, [USER], "Hi.", "'problem', answers from 'solution'"),
    ({"query": "Say hi.", "response": "Hi."}, [USER], "Hi.", "'query', answers from 'response'"),
    ({"prompt": "Say hi.", "response": "Hi."}, [USER], "Hi.", "'prompt', answers from 'response'"),
    ({"input": "Say hi.", "output": "Hi."}, [USER], "Hi.", "'input', answers from 'output'"),
    ({"prompt": "Say hi.", "chosen": "Hi.", "rejected": "No."}, [USER], "Hi.", "'prompt', answers from 'chosen'"),
    ({"chosen": [USER, GOLD], "rejected": [USER, GOLD]}, [USER], "Hi.", "chats from 'chosen'"),
    ({"problem": "Say 7.", "answer": 7}, [say("user", "Say 7.")], "7", "'problem', answers from 'answer'"),
    # ShareGPT
    ({"conversations": [{"from": "human", "value": "Say hi."}, {"from": "gpt", "value": "Hi."}]}, [USER], "Hi.",
     "chats from 'conversations'"),
    ({"conversations": [{"from": "user", "value": "Say hi."}, {"from": "assistant", "value": "Hi."}],
      "system": "Be brief."}, [SYSTEM, USER], "Hi.", "chats from 'conversations' (and 'system')"),
    ({"messages": [say("developer", "Be brief."), USER, GOLD]}, [SYSTEM, USER], "Hi.", "chats from 'messages'"),
    # what stands beside the question
    ({"question": "Say hi.", "context": "We meet.", "answer": "Hi."}, [say("user", "We meet.\n\nSay hi.")], "Hi.",
     "'question' (and 'context')"),
    ({"question": "Say hi.", "contexts": ["We meet.", "You wave."], "answer": "Hi."},
     [say("user", "We meet.\n\nYou wave.\n\nSay hi.")], "Hi.", "'question' (and 'contexts')"),
    ({"instruction": "Say hi.", "context": "We meet.", "response": "Hi."}, [say("user", "We meet.\n\nSay hi.")],
     "Hi.", "'instruction' (and 'context')"),
    ({"instruction": "Say hi.", "context": "", "response": "Hi."}, [USER], "Hi.", "'instruction', answers"),
    ({"messages": [USER, GOLD], "context": "We meet."}, [say("user", "We meet.\n\nSay hi.")], "Hi.",
     "'messages' (and 'context')"),
    ({"instruction": "Be brief.", "question": "Say hi.", "answer": "Hi."}, [say("user", "Be brief.\n\nSay hi.")],
     "Hi.", "'question' (and 'instruction')"),
    ({"instruction": "Say hi.", "input": "", "output": "Hi.", "system": "Be brief.", "history": [["Hello?", "Hello."]]},
     [SYSTEM, *EARLIER, USER], "Hi.", "'instruction' (and 'system', 'history')"),
    ({"question": "Say hi.", "response": "Hi.", "system_prompt": "Be brief.", "history": EARLIER},
     [SYSTEM, *EARLIER, USER], "Hi.", "'question' (and 'system_prompt', 'history')"),
    ({"messages": [say("system", ""), USER, GOLD]}, [say("system", ""), USER], "Hi.", "'messages'"),
    # DPO: the chosen answer may repeat the question, or the whole chat
    ({"prompt": "Say hi.", "chosen": [USER, GOLD]}, [USER], "Hi.", "'prompt', answers from 'chosen'"),
    ({"prompt": [USER], "chosen": [SYSTEM, *EARLIER, USER, GOLD]}, [SYSTEM, *EARLIER, USER], "Hi.", "'chosen'"),
    # options: the answer is a label, an index, or a text
    ({"question": "Say hi.", "choices": ["Ho", "Hi"], "answer": "B"}, OPTIONS, "B", "'question' (and 'choices')"),
    ({"question": "Say hi.", "choices": ["Ho", "Hi"], "answer": 1}, OPTIONS, "B", "'question' (and 'choices')"),
    ({"question": "Say hi.", "choices": ["Ho", "Hi"], "answer": 1.0}, OPTIONS, "B", "'question' (and 'choices')"),
    ({"question": "Say hi.", "options": ["Ho", "Hi"], "answer": "(b)"}, OPTIONS, "B", "'question' (and 'options')"),
    ({"question": "Say hi.", "options": ["Ho", "Hi"], "answer": "Hi"}, OPTIONS.partition("\n\nAnswer")[0], "Hi",
     "'question' (and 'options')"),
    ({"question": "Say 5.", "options": ["4", "5"], "answer": 5}, [say("user", "Say 5.\n\nA. 4\nB. 5")], "5",
     "'options'"),
    ({"question": "Say hi.", "options": {"A": "Ho", "B": "Hi"}, "answer": "B"}, OPTIONS, "B", "'options'"),
    ({"question": "Say hi.", "choices": {"text": ["Ho", "Hi"], "label": ["A", "B"]}, "answerKey": "B"}, OPTIONS, "B",
     "answers from 'answerKey'"),
    ({"question": "Say hi.", "choices": [{"label": "A", "text": "Ho"}, {"label": "B", "text": "Hi"}], "answer": "B"},
     OPTIONS, "B", "'choices'"),
    ({"question": "Say hi.", "A": "Ho", "B": "Hi", "answer": "B"}, OPTIONS, "B", "'question' (and 'A', 'B')"),
    ({"question": "Say hi.", "option1": "Ho", "option2": "Hi", "answer": 2},
     OPTIONS.translate({ord("A"): "1", ord("B"): "2"}).replace("1nswer", "Answer"), "2", "(and 'option1', 'option2')"),
])
def test_what_changes_the_meaning_of_a_row_is_asked(tmp_path, row, prompt, gold, taken):
    task = Own(write(tmp_path, three(row)), "exact")
    example = every(task)[0]
    prompt = [say("user", prompt)] if isinstance(prompt, str) else prompt
    assert s3ft.ask(task, example) == prompt and task.gold(example) == gold and taken in task.fields


@pytest.mark.parametrize("more, note", [
    ({"level": 3, "topic": "", "note": None}, "mine.jsonl: not used: 'level' (3 rows)"),
    ({"id": 1.5, "golds": ["x"]}, "mine.jsonl: not used: 'id' (3 rows), 'golds' (3 rows)"),
    ({"label": 0}, "mine.jsonl: not used: 'label' (3 rows)"),
])
def test_what_nobody_reads_is_said(tmp_path, more, note):
    assert Own(write(tmp_path, [qa(n) | more for n in range(3)]), "exact").notes[0] == note


def test_tools_and_the_keys_of_messages_are_said(tmp_path):
    row = {"messages": [USER, GOLD | {"weight": 1}], "tools": [{"type": "function"}]}
    notes = Own(write(tmp_path, three(row)), "exact").notes
    assert notes[0] == "mine.jsonl: not used: 'tools' (3 rows), 'weight' in 'messages' (3 rows)"


@pytest.mark.parametrize("name, labels", [("label", (True, False)), ("kto_tag", (True, False)), ("label", (1, 0))])
def test_rows_that_show_a_bad_answer_are_left_out_and_counted(tmp_path, name, labels):
    rows = [{"prompt": f"Say {n}.", "completion": "bad" if n % 2 else "good", name: labels[n % 2]} for n in range(8)]
    task = Own(write(tmp_path, rows), "exact")
    assert [task.gold(e) for e in every(task)] == ["good"] * 4 and "4 rows left out" in task.notes[0]
    assert len(task.notes) == 2, "and the split"
    bad = write(tmp_path, [row | {name: False} for row in rows])
    assert "the label of every row is false" in error(lambda: Own(bad, "exact"))


@pytest.mark.parametrize("row, expected", [
    ({"options": ["x", "y"], "answer": "C"}, "'answer' is 'C', which is none of its options A, B"),
    ({"options": ["x", "y"], "answer": 2}, "is none of its options A, B; write one of these, or its index from 0"),
    ({"options": ["x", "y"], "answer": "1.0"}, "'answer' is '1.0', which is none of its options A, B"),
    ({"answer": float("nan")}, "'answer' is no text but NaN"),
    ({"options": ["the", "A", "an"], "answer": "A"}, "the label of one option and the text of another; write the"),
    ({"options": "x or y", "answer": "x"}, "'options' is no list of options"),
    ({"options": [1, 2], "answer": 1}, "'options' is no list of options"),
    ({"options": {"text": ["x", "y"], "label": ["A"]}, "answer": "A"}, "'options' is no list of options"),
    ({"options": ["x"] * 27, "answer": "A"}, "'options' is no list of options, at most 26"),
    ({"context": {"title": "x"}}, "'context' is no text but"), ({"system": 7}, "'system' is no text but 7"),
    ({"history": ["x"]}, "'history' is no list of turns"), ({"history": 7}, "'history' is no list of turns"),
    ({"history": [["x"]]}, "a turn of the field 'history' has 1 texts"),
    ({"history": [["x", ""]]}, "'history' is empty"), ({"answer": True}, "'answer' is no text but true"),
    ({"images": ["a.png"]}, "has 'images'; only text can be learnt"),
])
def test_what_cannot_be_asked_is_refused(tmp_path, row, expected):
    message = error(lambda: Own(write(tmp_path, [qa(0), qa(1) | row, qa(2)]), "exact"))
    assert message.startswith(f"{tmp_path / 'mine.jsonl'}, line 2: ") and expected in message, message


def test_chats_that_call_tools_and_two_system_messages_are_refused(tmp_path):
    for row, expected in (({"messages": [USER, GOLD | {"tool_calls": [{"id": "x"}]}]}, "calls a tool"),
                          ({"messages": [SYSTEM, USER, GOLD], "system": "x"}, "the roles ['system', 'system', ")):
        assert expected in error(lambda: Own(write(tmp_path, three(row)), "exact"))


# ---------------------------------------------------------------- other files

@pytest.mark.parametrize("name, content", [
    ("mine.json", json.dumps([qa(n) for n in range(3)]).encode()),
    ("mine.jsonl", b"\xef\xbb\xbf" + json.dumps([qa(n) for n in range(3)], indent=2).encode()),
    ("mine.jsonl", "".join(json.dumps(qa(n)) + "\n" for n in range(3)).encode("utf-16")),
    ("mine.csv", b"question,answer\r\n" + b"".join(b"What colour is thing %d?,It is colour %d.\r\n" % (n, n)
                                                  for n in range(3))),
    ("MINE.CSV", b"\xef\xbb\xbf Question ;Answer\n" + b"".join(b"What colour is thing %d?;It is colour %d.\n" % (n, n)
                                                              for n in range(3))),
    ("mine.tsv", b"question\tanswer\n\n" + b"".join(b"What colour is thing %d?\tIt is colour %d.\n" % (n, n)
                                                   for n in range(3))),
    ("mine.csv", "question,answer\n".encode("utf-16") + "".join(f"{qa(n)['question']},{qa(n)['answer']}\n"
                                                                for n in range(3)).encode("utf-16-le")),
])
def test_lists_and_tables_are_read(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    task = load_task(str(tmp_path / name), judge="exact")
    assert [(e.question, e.answer) for e in every(task)] == [(qa(n)["question"], qa(n)["answer"]) for n in range(3)]


def test_a_table_may_have_line_breaks_quotes_options_and_empty_cells(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text('question,context,A,B,answer\n"Say, in\n""two"" lines",,x,y,B\nq,c,x,y,A\nr,c,x,y,A\n')
    first = every(Own(path, "exact"))[0]
    assert first.question == 'Say, in\n"two" lines\n\nA. x\nB. y\n\nAnswer with one of A, B.' and first.id == "row-2"


def test_headings_of_a_spreadsheet(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("Question;Option A;Option B;Correct Answer\n" + "".join(f"q{n};x;y;B\n" for n in range(3)))
    first = every(Own(path, "exact"))[0]
    assert (first.question, first.answer) == ("q0\n\nA. x\nB. y\n\nAnswer with one of A, B.", "B")


def test_columns_without_a_name_are_counted_by_their_number(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(",question,answer,,\n" + "".join(f"{n},q{n},a{n},,\n" for n in range(3)))
    assert Own(path, "exact").notes[0] == "mine.csv: not used: 'column 1' (3 rows)"


@pytest.mark.parametrize("content, expected", [
    ("question,answer\nq,a\nq,a,b\n", "row 3: has 3 cells, but row 1 has 2"),
    ("question,answer\nq,a\n\nq,\n", "row 4: the field 'answer' is empty"),
    ('question,answer\nq,a\n"q,a\nr,b\n', "row 3: is no CSV"), ("question,answer,answer\nq,a,b\n", "'answer' twice"),
    ("title,body\nq,a\n", "row 2: has 'title', 'body'; every row must have question/answer"),
    ("question,answer\n", "is empty"), ("", "is empty"),
    ("question,options,answer\nq,\"['x', 'y']\",A\n", "row 2: the field 'options' is no list of options"),
])
def test_bad_table(tmp_path, content, expected):
    (tmp_path / "mine.csv").write_text(content)
    assert expected in error(lambda: Own(tmp_path / "mine.csv", "exact"))


# ---------------------------------------------------------------- golds, prompts, judges

def test_the_same_words_in_two_conversations_are_judged_apart(tmp_path):
    """Both files number their lines, and the last message is the same. The system message differs, and the gold."""
    for name, gold in (("train", "yes"), ("test", "no")):
        chats = [[say("system", f"Passage {name} {n}"), say("user", "Is it blue?"), say("assistant", gold)]
                 for n in range(20)]
        write(tmp_path, [{"messages": chat} for chat in chats], f"{name}.jsonl")
    task = Own(tmp_path / "train.jsonl", "exact", tmp_path / "test.jsonl")
    known, held = Verdicts(task, tmp_path), {e.id: e for e in task.load("test")}
    for e in task.load("validation"):
        assert known.score(e, "yes").ok and not known.score(held[e.id], "yes").ok


@pytest.mark.parametrize("name, answer, gold", [
    ("number", " 6 * 2 = <<6*2=12>>12\n#### 12\n", "6 * 2 = 12\nThe answer is 12."),
    ("number", "#### 1,200", "The answer is 1,200."), ("number", "#### 7.", "The answer is 7."),
    ("number", "42", "42"), ("number", "So the answer is $5.", "So the answer is $5."),
    # a heading is no gold
    ("number", "#### Step 1\n2 + 3\nThe answer is 5.", "#### Step 1\n2 + 3\nThe answer is 5."),
    # a text keeps what it has
    ("exact", " <<b>> #### 12\n", "<<b>> #### 12"),
])
def test_gold_is_cleaned_and_raw_is_not(tmp_path, name, answer, gold):
    task = Own(write(tmp_path, [qa(n) | {"answer": answer} for n in range(3)]), name)
    example = every(task)[0]
    assert task.gold(example) == task.text(example, "gold") == gold and task.text(example, "raw") == answer
    assert task.score(example, gold).ok, "the gold is right by its own judge"
    assert "voice" in error(lambda: task.text(example, "voice"))


@pytest.mark.parametrize("name", REWRITE_ENDINGS)
def test_rewrite_shows_the_gold_in_the_last_user_message_only(tmp_path, name):
    rows = [{"messages": TURNS[:-1] + [say("user", f"Add {{0}} and {n}."), say("assistant", f"It is {n}.")],
             "test_list": ["assert f(1) == 2"]} for n in range(3)]
    task = Own(write(tmp_path, rows), name)
    *before, last = s3ft.rewrite(task, every(task)[2])
    assert before == TURNS[:-1] and last["role"] == "user"
    beginning = "Add {0} and 2.\n\nReference answer:\nIt is 2.\n\n"
    assert last["content"].startswith(beginning), "braces are the user's, no format field"
    assert "own words" in last["content"] and ("where N is the final number" in last["content"]) == (name == "number")


@pytest.mark.parametrize("name, text, source, accepted, right", [
    ("number", "2 + 3 = 5. The answer is 5.", "own", True, True),
    ("number", "2 + 2 = 5. The answer is 5.", "own", False, True),
    ("number", "The answer is 5.", "paraphrase", False, True),
    ("number", "2 + 3 = 5. The answer is 5.", "paraphrase", True, True),
    ("number", "The answer is 6.", "own", False, False),
    ("exact", "Five:\n 5 ", "own", True, True),
    ("exact", "five: 5", "own", False, False),
    ("exact", "Five: 5", "paraphrase", True, True),
])
def test_judges(tmp_path, name, text, source, accepted, right):
    task = Own(write(tmp_path, [qa(n) | {"answer": "Five: 5"} for n in range(3)]), name)
    example = task.load("train")[0]
    assert task.name == name, "attempts.jsonl keeps it, so that judge.py knows how to judge again"
    assert (task.accept(example, text, source).ok, task.score(example, text).ok) == (accepted, right)


def test_an_edited_judge_takes_effect(tmp_path, monkeypatch):
    task = Own(write(tmp_path, map(qa, range(3))), "exact")
    monkeypatch.setattr(judge, "exact", lambda text, gold: judge.Verdict(True, "generous", text, "all is well"))
    assert task.accept(task.load("train")[0], "anything", "own").rule == "generous"


# ---------------------------------------------------------------- splits

def questions(task, split):
    return [e.question for e in task.load(split)]


@pytest.mark.parametrize("n, sizes", [(3, (1, 1, 1)), (10, (7, 1, 2)), (100, (70, 10, 20)), (6000, (5000, 500, 500))])
def test_without_a_test_file_a_fifth_is_test_and_a_tenth_validation(tmp_path, n, sizes):
    path = write(tmp_path, map(qa, range(n)))
    task, again = Own(path, "exact"), Own(path, "exact")
    parts = [questions(task, split) for split in ("train", "validation", "test")]
    assert tuple(map(len, parts)) == sizes and len(set().union(*parts)) == n, "the parts are disjoint and lose nothing"
    assert parts == [questions(again, split) for split in ("train", "validation", "test")], "the same each time"
    for part in parts:
        assert part == sorted(part, key=lambda q: int(q[:-1].split()[-1])), "in the order of the file"
    assert task.files == [path] and task.title == "mine" and f"{sizes[2]} test" in task.notes[0]


def test_equal_questions_are_in_one_part(tmp_path):
    # three times each
    rows = [qa(n % 20) | {"question": qa(n % 20)["question"].replace(" ", " " * (1 + n // 20))} for n in range(60)]
    task = Own(write(tmp_path, rows), "exact")
    parts = [{" ".join(q.split()) for q in questions(task, split)} for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 20
    assert sum(len(task.load(split)) for split in ("train", "validation", "test")) == 60


def test_with_a_test_file_its_questions_leave_training(tmp_path):
    train = write(tmp_path, map(qa, range(30)))
    test = write(tmp_path, [{"prompt": qa(n)["question"], "completion": "x"} for n in range(27, 40)], "test.jsonl")
    task = Own(train, "exact", test)
    assert questions(task, "test") == [qa(n)["question"] for n in range(27, 40)] and len(task.load("validation")) == 3
    assert len(task.load("train")) == 24
    assert {*questions(task, "train"), *questions(task, "validation")} == {qa(n)["question"] for n in range(27)}
    assert task.notes == ["training examples that are left out because they are also in the test file: 3"]
    assert task.files == [train, test]
    assert task.fields == (f"questions from 'question', answers from 'answer'; in {test}: "
                           "questions from 'prompt', answers from 'completion'")


def test_one_training_question_is_enough_with_a_test_file(tmp_path):
    task = Own(write(tmp_path, [qa(1)]), "exact", write(tmp_path, [qa(2)], "test.jsonl"))
    assert [len(task.load(split)) for split in ("train", "validation", "test")] == [1, 0, 1] and task.notes == []


@pytest.mark.parametrize("rows, test, expected", [
    ([qa(1), qa(2)], None, "fewer than 3 different questions"),
    ([qa(1), qa(2)] * 5, None, "fewer than 3 different questions"),
    ([qa(1), qa(2)], [qa(2), qa(1)], "nothing is left to train on"),
    ([qa(1)], [{"text": "x"}], "test.jsonl, line 1: has 'text'"),
])
def test_too_little_data(tmp_path, rows, test, expected):
    assert expected in error(lambda: Own(write(tmp_path, rows), "exact", test and write(tmp_path, test, "test.jsonl")))


def test_unknown_judge(tmp_path):
    for name in (None, "numbers"):
        message = error(lambda: Own(write(tmp_path, map(qa, range(3))), name))
        assert "--judge" in message
        assert "number, code, span, exact" in message


# ---------------------------------------------------------------- bad files
# Each gets one line, which names the file, the line and what to do.

LONE = '{"question": "\\ud83d", "answer": "x"}'


@pytest.mark.parametrize("bad, expected", [
    ("{no json", "is no JSON"),
    ("[1]", "has no fields; every line must have"),
    ("7", "has no fields; every line must have"),
    (LONE, "holds half a character"),
    ({"question": "q"}, "has 'question'; every line must have question/answer, all the same"),
    ({"prompt": "p", "completion": "c"},
     "has 'prompt', 'completion'; every line must have question/answer"),
    ({}, "has no fields"),
    ({"question": "", "answer": "x"}, "'question' is empty"), ({"question": "q", "answer": " \n"}, "'answer' is empty"),
    ({"question": 7, "answer": "x"}, "'question' is no text but 7"),
    ({"question": "q", "answer": None}, "'answer' is no text but null"),
    ({"question": "q", "answer": ["x"]}, "'answer' is no text but [\"x\"]"),
])
def test_bad_line(tmp_path, bad, expected):
    message = error(lambda: Own(write(tmp_path, [qa(1), bad, qa(3)]), "exact"))
    assert message.startswith(f"{tmp_path / 'mine.jsonl'}, line 2: ") and expected in message, message


@pytest.mark.parametrize("messages, expected", [
    ([], "empty"), ("hello", "no list of messages"), (["hello"], "message 1 of 'messages' has no 'role'"),
    ([{"role": "user"}, GOLD], "no 'content'"),
    ([USER], "the roles ['user'];"), ([say("system", "x")], "the roles ['system'];"),
    ([USER, GOLD, USER], "the roles ['user', 'assistant', 'user'];"),
    ([GOLD], "the roles ['assistant'];"),
    ([say("system", "x"), GOLD], "the roles ['system', 'assistant'];"),
    ([USER, say("system", "x"), GOLD], "the roles ['user', 'system', 'assistant'];"),
    ([USER, USER, GOLD], "the roles ['user', 'user', 'assistant'];"),
    ([USER, say("tool", "x"), GOLD], "the roles ['user', 'tool', 'assistant'];"),
    ([USER, say(None, "x")], "the roles ['user', None];"),
    ([USER, say("assistant", "")], "message 2 of 'messages' is empty"),
    ([USER, say("assistant", None)], "message 2 of 'messages' is no text but null"),
    ([say("user", []), GOLD], "message 1 of 'messages' is empty"),
    ([say("user", ["x"]), GOLD], "message 1 of 'messages' has a part that is no text"),
    ([say("user", [{"type": "image_url", "image_url": {"url": "x"}}]), GOLD],
     "a part that is no text; only text can be learnt"),
    ([say("user", [{"type": "text"}]), GOLD], "message 1 of 'messages' has a part that is no text"),
    ([say("system", "\ud800"), USER, GOLD], "holds half a character"),
])
def test_bad_chat(tmp_path, messages, expected):
    good = {"messages": [USER, GOLD]}
    message = error(lambda: Own(write(tmp_path, [good, {"messages": messages}]), "exact"))
    assert message.startswith(f"{tmp_path / 'mine.jsonl'}, line 2: ") and expected in message, message


@pytest.mark.parametrize("row, name, expected", [
    ({"prompt": [USER], "completion": [GOLD, USER, GOLD]}, "exact", "the roles ['assistant', 'user', 'assistant'];"),
    ({"prompt": [USER], "completion": [SYSTEM, GOLD]}, "exact", "'completion' holds several messages"),
    ({"prompt": [USER, GOLD], "completion": "x"}, "exact", "the roles ['user', 'assistant', 'assistant'];"),
    ({"prompt": [USER], "completion": [USER]}, "exact", "the roles ['user', 'user'];"),
    ({"prompt": [], "completion": "x"}, "exact", "'prompt' is no list"),
    ({"instruction": "x", "input": 5, "output": "x"}, "exact", "'input' is no text but 5"),
    ({"question": "q", "answer": "nobody"}, "number", "the answer has no number, or no clear final one; end it with"),
    ({"question": "q", "answer": "#### 7\nSo 2 + 3.\n#### 5"}, "number", "no clear final one"),
    ({"question": "q", "answer": "2x+3"}, "number", "no clear final one"),
    ({"question": "q", "answer": "\\frac{\\sqrt{3}}{2}"}, "number", "no clear final one"),
    ({"question": "q", "answer": "x^3 + 2x - 5"}, "number", "no clear final one"),
    ({"question": "q", "answer": "3 men\n#### none"}, "number", "--judge exact"),
    ({"question": "q", "answer": "x", "id": ""}, "exact", "'id' is empty"),
    ({"question": "q", "answer": "x", "id": "\ud800"}, "exact", "half a character"),
    ({"text": "x"}, "exact",
     "has 'text'; every line must have question/answer or prompt/completion or "),
])
def test_bad_first_line(tmp_path, row, name, expected):
    message = error(lambda: Own(write(tmp_path, [row]), name))
    assert message.startswith(f"{tmp_path / 'mine.jsonl'}, line 1: ") and expected in message, message


GOLDS = ["x = 5", "5 + 3 = 8", "+5", "18 km/h", "$\\frac{3}{4}$", "15 \\text{ cm}^2", "**18**"]


@pytest.mark.parametrize("gold", GOLDS)
def test_a_number_with_its_unit_is_a_gold_and_so_is_an_equation(tmp_path, gold):
    Own(write(tmp_path, [qa(n) | {"answer": gold} for n in range(3)]), "number")


def test_the_thoughts_of_a_gold_are_no_part_of_what_a_span_needs(tmp_path):
    task = Own(write(tmp_path, [qa(n) | {"answer": "<think>it says</think>\n\nOle Berg"} for n in range(3)]), "span")
    assert task.accept(every(task)[0], "It was Ole Berg.", "own").ok


def test_spaces_after_the_commas_of_csv_are_no_part_of_the_texts(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("question, answer\n" + "".join(f'"Where {n}?", "Oslo, Norway"\n' for n in range(3)))
    task = Own(path, "exact")
    assert {task.gold(example) for example in every(task)} == {"Oslo, Norway"}


def test_doubled_ids(tmp_path):
    rows = [qa(1) | {"id": 5}, qa(2) | {"id": "x"}, qa(3) | {"id": "5"}]
    assert "line 3: id '5' stands in line 1 too" in error(lambda: Own(write(tmp_path, rows), "exact"))


@pytest.mark.parametrize("content, expected", [
    (b"", "is empty"), (b"\xef\xbb\xbf \n", "is empty"), (b"[]", "is empty"),
    (json.dumps(qa(1)).encode("utf-16")[:-1], "save it as UTF-8"),
    (json.dumps(qa(1)).encode("utf-16-le"), "zero bytes"),
    ('{"question": "café"}'.encode("latin-1"), "save it as UTF-8"),
    (json.dumps([qa(1), {"question": "q"}]).encode(), "item 2: has 'question'; every item must have question/answer"),
    (json.dumps([qa(1), qa(2) | {"answer": ""}]).encode(), "item 2: the field 'answer' is empty"),
    (f"[{json.dumps(qa(1))}, {LONE}]".encode(), "item 2: holds half a character"),
    (json.dumps([qa(1), qa(2)], indent=1).encode()[:-2], "line 9: is no JSON"),
    (json.dumps(qa(1), indent=1).encode(), "every line is a whole object"),
    (b"question,answer\nq,a\n", "line 1: is no JSON"),
])
def test_bad_file(tmp_path, content, expected):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    message = error(lambda: Own(path, "exact"))
    assert message.startswith(str(path)) and expected in message, message


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    names = {".": "directory", "none.jsonl": "No such file", "pipe": "pipe", "x" * 300: "too long"}
    for name, expected in names.items():
        message = error(lambda: Own(tmp_path / name, "exact"))
        assert expected in message and message.startswith(str(tmp_path / name))
    assert "none.jsonl" in error(lambda: Own(write(tmp_path, map(qa, range(3))), "exact", tmp_path / "none.jsonl"))
