"""Tokenizer and chat template: the ids of transformers (golden/), the end tokens, and files that are bad."""
import json
import shutil
from pathlib import Path

import pytest

from data import Example, UserError
from data.checkpoints import LoadError, chat
from data.checkpoints.chat import Tokenizer
from data.run.selection import check_template
from data.tasks.task import Task

GOLDEN = Path(__file__).parent / "golden"
END, START, CLOSE = 0, 1, 2                         # <|endoftext|>, <|im_start|>, <|im_end|>
ASKED = [{"role": "user", "content": "How many?"}]
TEMPLATES = json.loads((GOLDEN / "templates.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def said(monkeypatch):
    """What has been said once: nothing, at the start of a test."""
    monkeypatch.setattr(chat.say_once, "__defaults__", (set(),))


@pytest.fixture
def folder(tmp_path):
    """A copy of the tiny tokenizer that a test may spoil."""
    return Path(shutil.copytree(GOLDEN / "tokenizer", tmp_path / "tokenizer"))


def change(path, **fields):
    """Set fields of a JSON file; None removes one."""
    values = (json.loads(path.read_text()) if path.exists() else {}) | fields
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


def dress(folder, template=None, tokens=(), bos=False, **config):
    """Change a tokenizer folder: its template, more special tokens, BOS put in front by tokenizer.json, settings.

    A setting of None is removed."""
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    like, first = content["added_tokens"][0], 300       # the ids that the tiny vocabulary leaves free
    content["added_tokens"] += [like | {"id": first + i, "content": token} for i, token in enumerate(tokens)]
    if bos:
        id = like["content"]
        start = {"SpecialToken": {"id": id, "type_id": 0}}
        a, b = ({"Sequence": {"id": x, "type_id": 0}} for x in "AB")
        content["post_processor"] = {"type": "TemplateProcessing", "single": [start, a], "pair": [start, a, start, b],
                                     "special_tokens": {id: {"id": id, "ids": [0], "tokens": [id]}}}
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    change(folder / "tokenizer_config.json", **config | ({"chat_template": template} if template else {}))


def test_chats_and_texts_get_the_ids_that_transformers_gives_them():
    golden, tokenizer = json.loads((GOLDEN / "chats.json").read_text()), Tokenizer(GOLDEN / "tokenizer")
    for chat in golden["chats"]:
        assert tokenizer.encode_chat(chat["messages"]) == chat["ids"], chat["messages"]
    for text in golden["texts"]:
        assert tokenizer.encode(text["text"]) == text["ids"], text["text"]
        assert tokenizer.decode(text["ids"]) == text["decoded"]


def test_a_prompt_is_the_beginning_of_its_answered_chat():
    tokenizer = Tokenizer(GOLDEN / "tokenizer")
    prompt = tokenizer.encode_chat(ASKED)
    whole = tokenizer.encode_chat(ASKED + [{"role": "assistant", "content": "the answer is 12"}])
    assert whole[:len(prompt)] == prompt
    answer = whole[len(prompt):]
    assert tokenizer.decode(answer[:answer.index(tokenizer.close_id)]) == "the answer is 12"


def test_size_counts_the_special_tokens():
    tokenizer = Tokenizer(GOLDEN / "tokenizer")
    assert tokenizer.size == len(tokenizer.bpe.get_vocab()) == 300


def test_end_ids_come_from_generation_config_then_config_then_tokenizer_config(folder):
    assert Tokenizer(folder).end_ids == [CLOSE]                         # eos_token of tokenizer_config.json
    change(folder / "tokenizer_config.json", eos_token={"content": "<|endoftext|>", "special": True})
    assert Tokenizer(folder).end_ids == [END, CLOSE]                    # and always the closing token
    change(folder / "config.json", eos_token_id=5)
    assert Tokenizer(folder).end_ids == [5, CLOSE]
    change(folder / "generation_config.json", eos_token_id=[CLOSE, 7])
    assert Tokenizer(folder).end_ids == [CLOSE, 7]


def test_close_id_is_what_the_template_writes_after_the_answer(folder):
    assert Tokenizer(folder).close_id == CLOSE
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}[{{ m.content }}]{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}")
    change(folder / "tokenizer_config.json", eos_token="<|endoftext|>")
    tokenizer = Tokenizer(folder)                                       # the .jinja file outranks the JSON's template
    assert tokenizer.render(ASKED) == "[How many?]" and tokenizer.close_id == END


@pytest.mark.parametrize("name", TEMPLATES["templates"])
def test_templates_in_well_known_shapes_get_the_ids_that_transformers_gives_them(name, folder):
    """Llama-2, Llama-3 (with a date), Mistral, Qwen3, ChatML, and {% generation %} tags."""
    golden = TEMPLATES["templates"][name]
    dress(folder, **golden["dress"])
    tokenizer, seen = Tokenizer(folder, thinking=golden["thinking"]), []
    for case in golden["chats"]:
        if "ids" in case or "folded" in case:
            assert tokenizer.encode_chat(case["messages"]) == case.get("ids", case.get("folded")), case["messages"]
        else:
            with pytest.raises(LoadError, match=case["refused"]) as error:
                tokenizer.encode_chat(case["messages"])
            assert "\n" not in str(error.value)
        seen.append(next(key for key in ("ids", "folded", "refused") if key in case))
    expected = {"mistral": {"ids", "folded", "refused"}, "llama-2": {"ids", "refused"}}.get(name, {"ids"})
    assert len(seen) >= 9 and set(seen) == expected


def test_the_golden_templates_show_what_they_are_there_for():
    """BOS once in front, the pinned date, an empty thought only where thinking is off."""
    def ids(name):
        return next(c["ids"] for c in TEMPLATES["templates"][name]["chats"] if c["messages"] == ASKED)
    bpe = Tokenizer(GOLDEN / "tokenizer").bpe
    assert all(ids(name)[0] == END and END not in ids(name)[1:] for name in ("llama-2", "llama-3", "mistral"))
    assert "01 Jan 2025" in bpe.decode(ids("llama-3"))
    thinking, off = ids("qwen-3-thinking"), ids("qwen-3")
    assert off[:len(thinking)] == thinking and len(off) > len(thinking)


@pytest.mark.parametrize("name", TEMPLATES["templates"])
def test_prompt_answer_and_closing_token_are_the_answered_chat_of_transformers(name, folder):
    golden = TEMPLATES["templates"][name]
    dress(folder, **golden["dress"])
    tokenizer, compared = Tokenizer(folder, thinking=golden["thinking"]), 0
    for case in golden["chats"]:
        *question, answer = case["messages"]
        if "ids" not in case or answer["role"] != "assistant":
            continue
        prompt = tokenizer.encode_chat(question)
        if case["ids"][:len(prompt)] == prompt:                         # the answer does not change the question
            target = prompt + tokenizer.encode_answer(answer["content"]) + [tokenizer.close_id]
            assert target == case["ids"][:len(target)], case["messages"]
            compared += 1
    assert compared


def answer_text(tokenizer, text):
    """What a model is to say, with its special tokens."""
    return tokenizer.bpe.decode(tokenizer.encode_answer(text) + [tokenizer.close_id], skip_special_tokens=False)


TURNS = ("{% for m in messages %}[{{ m.role }}] {{ m.content.split('</think>')[-1] }}<|im_end|>\n{% endfor %}"
         "{% if add_generation_prompt %}[assistant] {% endif %}")
OPEN = TURNS.replace("[assistant] ", "[assistant] <think>\n")           # as R1 and QwQ
CHOICE = ("{% for m in messages %}[{{ m.role }}] {% if m.role == 'assistant' and '</think>' not in m.content %}"
          "<think>\n\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}"
          "[assistant] {% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}")      # as Qwen3
NO_END = ("{% for m in messages %}{{ 'Q: ' if m.role == 'user' else 'A: ' }}{{ m.content }}\n{% endfor %}"    # as SOLAR
          "{% if add_generation_prompt %}A: {% endif %}")
THOUGHT = "<think>\n7 + 5\n</think>\n\nIt is 12."


@pytest.mark.parametrize("template, thinking, opening, text, expected", [
    (OPEN, False, "<think>\n", "It is 12.", "\n</think>\n\nIt is 12."),      # its thought is closed first
    (OPEN, False, "<think>\n", THOUGHT, "7 + 5\n</think>\n\nIt is 12."),     # and opened once
    (OPEN, False, "<think>\n", "7 + 5</think>It is 12.", "7 + 5</think>It is 12."),
    (CHOICE, True, "", "It is 12.", "<think>\n\n</think>\n\nIt is 12."),       # as the template writes it
    (CHOICE, True, "", THOUGHT, THOUGHT),
    (CHOICE, False, "", "It is 12.", "It is 12."),
    (CHOICE, False, "", THOUGHT, THOUGHT),                                   # kept as the user wrote it
    (TURNS, False, "", THOUGHT, THOUGHT),                                    # though the template drops thoughts
    (TURNS, False, "", "\n\n It is 12. ", "\n\n It is 12. "),
    (NO_END, False, "", "It is 12.", "It is 12."),
])
def test_an_answer_keeps_its_words_whatever_the_template_makes_of_it(folder, template, thinking, opening, text,
                                                                     expected):
    dress(folder, template=template)
    tokenizer = Tokenizer(folder, thinking)
    assert answer_text(tokenizer, text) == expected + "<|im_end|>" and tokenizer.opening == opening


@pytest.mark.parametrize("template, gold, expected", [
    (TURNS, "It is 12.", ""), (CHOICE, "It is 12.", ""),
    (TURNS, THOUGHT, "the gold's own words"), (TURNS, "\n\nIt is 12.", ""),
    (TURNS.replace("[-1]", "[-1] | trim"), "It is 12.\n", "the gold's own words"),
    (NO_END, "It is 12.", "the gold's own words"), (OPEN, "It is 12.", "open think block"),
    (OPEN, THOUGHT, "the gold's own words"), (CHOICE, THOUGHT, "--thinking")])
def test_where_the_template_would_write_golds_otherwise_one_line_says_so(folder, capsys, template, gold, expected):
    def ask(task, example):
        return [{"role": "user", "content": example.question}]
    dress(folder, template=template)
    check_template([Example("1", "7 + 5?", gold), Example("2", "5 + 7?", gold)], Task(), Tokenizer(folder), ask)
    err = capsys.readouterr().err
    assert expected in err and len(err.splitlines()) == bool(expected)


def test_a_model_without_any_end_token_cannot_be_trained(folder):
    dress(folder, template="{% for m in messages %}{{ m.content }}{% endfor %}", eos_token=None)
    with pytest.raises(UserError, match="name it as eos_token"):
        check_template([Example("1", "7 + 5?", "12")], Task(), Tokenizer(folder), ask=None)


def test_decoding_keeps_the_marks_of_a_thought_where_they_are_special_tokens(folder):
    dress(folder, template=OPEN, tokens=("<think>", "</think>"))
    tokenizer = Tokenizer(folder)
    ids = tokenizer.encode_chat(ASKED) + tokenizer.encode_answer(THOUGHT) + [tokenizer.close_id]
    assert tokenizer.decode(ids).endswith(THOUGHT)


@pytest.mark.parametrize("name, token", [
    ("llama-2", "<|im_end|>"), ("llama-3", "<|eot_id|>"), ("mistral", "<|im_end|>"), ("qwen-3", "<|im_end|>"),
    ("generation", "<|im_end|>"), ("generation-tight", "<|im_end|>")])
def test_every_shape_of_template_tells_what_closes_an_answer(name, token, folder):
    dress(folder, **TEMPLATES["templates"][name]["dress"])
    tokenizer = Tokenizer(folder)
    assert tokenizer.close_id == tokenizer.bpe.token_to_id(token) and tokenizer.close_id in tokenizer.end_ids


def test_thinking_is_off_unless_asked_for(folder):
    dress(folder, template="{{ enable_thinking }}{{ messages[-1].content }}")
    assert Tokenizer(folder).render(ASKED) == "FalseHow many?"
    assert Tokenizer(folder, thinking=True).render(ASKED) == "TrueHow many?"


@pytest.mark.parametrize("start", TEMPLATES["starts"], ids=lambda start: str(start["dress"]))
def test_bos_stands_where_tokenizer_json_puts_it_whatever_tokenizer_config_json_says(start, folder):
    dress(folder, **start["dress"])
    tokenizer = Tokenizer(folder)
    assert tokenizer.encode(TEMPLATES["text"]) == start["ids"]
    assert start["ids"].count(END) == start["dress"]["bos"]
    assert END not in tokenizer.encode_chat(ASKED)      # this template writes none
    assert tokenizer.decode(start["ids"]) == TEMPLATES["text"]


def test_template_has_a_pinned_date_tojson_and_loop_controls(folder):
    (folder / "chat_template.jinja").write_text(
        "{{ strftime_now('%d %b %Y') }} {{ messages[0] | tojson }}"
        "{% for m in messages %}{% break %}{% endfor %}")
    text = Tokenizer(folder).render([{"role": "user", "content": "<ä>"}])
    assert text == '01 Jan 2025 {"role": "user", "content": "<ä>"}'


@pytest.mark.parametrize("escape", [
    "{{ ''.__class__.__mro__ }}", "{{ messages.__class__.__mro__ }}", "{{ cycler.__init__.__globals__ }}",
    "{{ (messages|attr('pop'))() }}",
    "{{ joiner.__init__.__globals__.os.popen('id').read() }}", "{{ lipsum.__globals__['os'] }}",
    "{{ raise_exception.__globals__['json'] }}",
    "{{ raise_exception.__code__.co_consts }}", "{{ strftime_now.__self__.__reduce__() }}", "{{ messages.append(1) }}",
    "{{ '{0.__class__.__mro__}'.format(1) }}", "{{ self.__init__.__globals__ }}",
    "{{ ().__class__.__base__.__subclasses__() }}",
    "{% set f = '%c'|format(95) %}{% set c = f ~ f ~ 'class' ~ f ~ f %}{{ messages|attr(c) ~ (messages|attr(c)).x }}",
    "{% include 'tokenizer.json' %}", "{% import 'os' as os %}"])
def test_a_template_cannot_leave_its_sandbox(escape, folder):
    (folder / "chat_template.jinja").write_text(escape)
    with pytest.raises(LoadError, match="the chat template refuses this chat") as error:
        Tokenizer(folder).encode_chat(ASKED)
    assert "\n" not in str(error.value)


def test_what_the_sandbox_hides_is_empty(folder):
    dress(folder, template="<{{ raise_exception.__globals__ }}{{ messages.__class__ }}{{ strftime_now.__self__ }}>"
                           "{{ messages[0].content }}")
    assert Tokenizer(folder).render(ASKED) == "<>How many?"


@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{{ messages[7].content.x }}", "{{ undefined() }}",
                                      "{% for x in range(10**7) %}{% endfor %}", "{{ raise_exception('two\nlines') }}",
                                      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"])
def test_a_template_that_fails_is_one_line(template, folder):
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(LoadError, match="the chat template refuses this chat") as error:
        Tokenizer(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("template", ["{% for %}", "{{ x", "{% if x %}", "{% nonsense %}", "{{ x|nofilter }}",
                                      "{% generation %}x",
                                      "{% endgeneration %}", "text\n\n{% for x in y %}\n{{ x }}\n{% endif %}"])
def test_a_template_with_a_syntax_error_is_one_line(template, folder):
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(LoadError, match="the chat template does not compile") as error:
        Tokenizer(folder)
    assert "\n" not in str(error.value)


NO_SYSTEM = ("{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
             "{% for m in messages %}[{{ m.role }}: {{ m.content }}]{% endfor %}")
TOLD = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "How many?"},
        {"role": "assistant", "content": "12"}]


def test_a_system_message_that_the_template_refuses_goes_into_the_users_first_and_that_is_said_once(folder, capsys):
    dress(folder, template=NO_SYSTEM)
    tokenizer = Tokenizer(folder)
    assert tokenizer.render(ASKED) == "[user: How many?]" and capsys.readouterr().err == ""
    assert tokenizer.render(TOLD) == "[user: Be short.\n\nHow many?][assistant: 12]"
    said = capsys.readouterr().err
    assert "takes no system message" in said and said.count("\n") == 1
    tokenizer.render(TOLD[:2]), Tokenizer(folder).render(TOLD)
    assert capsys.readouterr().err == ""
    assert TOLD[1]["content"] == "How many?"            # the caller's messages are left alone


DROPS_SYSTEM = ("{% for m in messages %}{% if m.role != 'system' %}[{{ m.role }}: {{ m.content }}]"
                "{% endif %}{% endfor %}")


@pytest.mark.parametrize("start", ["", "{% if messages[0].role != 'system' %}[system: Be kind.]{% endif %}"],
                         ids=["", "with a default"])
def test_a_system_message_that_the_template_drops_without_a_word_is_folded_as_well(start, folder):
    dress(folder, template=start + DROPS_SYSTEM)
    assert Tokenizer(folder).render(TOLD[:2]).endswith("[user: Be short.\n\nHow many?]")


def test_an_empty_system_message_is_left_out_where_the_template_takes_none_and_that_is_said(folder, capsys):
    dress(folder, template=NO_SYSTEM)
    assert Tokenizer(folder).render([TOLD[0] | {"content": " "}, TOLD[1]]) == "[user: How many?]"
    assert "an empty one is left out" in capsys.readouterr().err


def test_a_system_message_may_stand_before_the_last_question_and_vanish_once_it_is_answered(folder, capsys):
    """As in the template of Mistral Nemo."""
    dress(folder, template="{% set first = messages[0] %}{% for m in messages %}{% if m.role == 'user' %}"
                           "<{{ first.content + '; ' if loop.last and first.role == 'system' }}{{ m.content }}>"
                           "{% elif m.role == 'assistant' %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}")
    tokenizer = Tokenizer(folder)
    assert tokenizer.render(TOLD + ASKED) == "<How many?>12<|im_end|><Be short.; How many?>"
    assert capsys.readouterr().err == "" and answer_text(tokenizer, "12") == "12<|im_end|>"


@pytest.mark.parametrize("messages", [TOLD[:1], [TOLD[0], TOLD[2]], [TOLD[0], TOLD[0], TOLD[1]]])
def test_a_template_that_refuses_says_so_where_there_is_nothing_to_fold_into(messages, folder):
    dress(folder, template=NO_SYSTEM)
    with pytest.raises(LoadError, match="no system role"):
        Tokenizer(folder).encode_chat(messages)


def test_a_template_that_takes_a_system_message_gets_it_as_it_is(capsys):
    text = Tokenizer(GOLDEN / "tokenizer").render(TOLD[:2])
    assert text.startswith("<|im_start|>system\nBe short.<|im_end|>") and capsys.readouterr().err == ""


@pytest.mark.parametrize("bos", [False, True])
def test_a_model_without_template_is_asked_in_the_plain_format_and_that_is_said_once(folder, capsys, bos):
    dress(folder, bos=bos, chat_template=None)
    tokenizer = Tokenizer(folder)
    assert tokenizer.plain and tokenizer.close_id == CLOSE and tokenizer.end_ids == [CLOSE]      # eos_token
    assert capsys.readouterr().err == ""                # as long as no chat is asked for
    assert tokenizer.render(ASKED) == "Question: How many?\n\nAnswer:"
    said = capsys.readouterr().err
    assert "has no chat template" in said and said.count("\n") == 1
    assert tokenizer.render(TOLD) == "Be short.\n\nQuestion: How many?\n\nAnswer: 12<|im_end|>\n"
    assert tokenizer.render(TOLD + ASKED).endswith("Answer: 12<|im_end|>\nQuestion: How many?\n\nAnswer:")
    prompt, whole = tokenizer.encode_chat(TOLD[:2]), tokenizer.encode_chat(TOLD)
    assert whole[:len(prompt)] == prompt and CLOSE in whole[len(prompt):]
    assert (prompt[0] == END) == bos and prompt.count(END) == bos       # BOS, which the plain format does not write
    Tokenizer(folder).render(ASKED)
    assert capsys.readouterr().err == ""
    assert tokenizer.decode(tokenizer.encode("the girl")) == "the girl"


def test_the_plain_format_does_without_an_end_token_and_takes_one_from_the_configs(folder):
    dress(folder, chat_template=None, eos_token=None)
    tokenizer = Tokenizer(folder)
    assert (tokenizer.close_id, tokenizer.end_ids) == (None, []) and tokenizer.render(TOLD).endswith("Answer: 12\n")
    change(folder / "generation_config.json", eos_token_id=END)
    tokenizer = Tokenizer(folder)
    assert (tokenizer.close_id, tokenizer.end_ids) == (END, [END])
    assert tokenizer.render(TOLD).endswith("Answer: 12<|endoftext|>\n")


def test_the_plain_format_closes_where_a_text_cannot_spell_the_end_token(folder):
    """A normalised special token after a word is cut into letters."""
    dress(folder, chat_template=None)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["normalizer"] = {"type": "Prepend", "prepend": " "}
    for token in content["added_tokens"]:
        token["normalized"] = True
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    tokenizer = Tokenizer(folder)
    whole = tokenizer.encode_chat([*ASKED, {"role": "assistant", "content": "the answer is 12"}])
    target = tokenizer.encode_chat(ASKED) + tokenizer.encode_answer("the answer is 12")
    assert CLOSE not in whole and whole[:len(target)] == target and tokenizer.close_id == CLOSE


def test_saved_files_make_the_same_tokenizer(folder, tmp_path):
    change(folder / "generation_config.json", eos_token_id=[CLOSE, END])
    first = Tokenizer(folder)
    shutil.rmtree(folder)                           # what was read is kept
    first.save(tmp_path / "copy")
    second = Tokenizer(tmp_path / "copy")
    assert second.encode_chat(ASKED) == first.encode_chat(ASKED) and second.end_ids == [CLOSE, END]


@pytest.mark.parametrize("name, content, says", [
    ("tokenizer.json", None, "no such file"),
    ("tokenizer.json", "{", "does not parse"),
    ("tokenizer.json", "", "does not parse"),
    ("tokenizer_config.json", "{", "is no JSON"),
    ("tokenizer_config.json", "[]", "no JSON object"),
    ("generation_config.json", "x", "is no JSON"),
    ("tokenizer_config.json", "[" * 100_000, "is no JSON"),
    ("tokenizer_config.json", '{"chat_template": 7}', "the chat template is no text"),
    ("generation_config.json", '{"eos_token_id": "<|im_end|>"}', "eos_token_id '<|im_end|>' is no token id"),
    ("generation_config.json", '{"eos_token_id": [1, null]}', "is no token id"),
    ("chat_template.jinja", "{% for %}", "does not compile"),
])
def test_a_bad_file_is_named_in_one_line(folder, name, content, says):
    (folder / name).unlink() if content is None else (folder / name).write_text(content)
    with pytest.raises(LoadError, match=says) as error:
        Tokenizer(folder)
    message = str(error.value)
    assert "\n" not in message and (name in message or "chat template" in message or "eos_token_id" in message)
