"""Tokenizer and chat template: the ids of transformers (golden/), the end tokens, and files that are bad."""
import json
import shutil
from pathlib import Path

import pytest

from data.chat import LoadError, Tokenizer

GOLDEN = Path(__file__).parent / "golden"
END, START, CLOSE = 0, 1, 2                         # <|endoftext|>, <|im_start|>, <|im_end|>
ASKED = [{"role": "user", "content": "How many?"}]


@pytest.fixture
def folder(tmp_path):
    """A copy of the tiny tokenizer that a test may spoil."""
    return Path(shutil.copytree(GOLDEN / "tokenizer", tmp_path / "tokenizer"))


def change(path, **fields):
    """Set fields of a JSON file; None removes one."""
    values = (json.loads(path.read_text()) if path.exists() else {}) | fields
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


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


def test_bos_only_where_the_tokenizer_asks_for_it_and_never_twice_in_a_chat(folder):
    plain = Tokenizer(folder).encode("the answer")
    change(folder / "tokenizer_config.json", add_bos_token=True)
    tokenizer = Tokenizer(folder)
    assert tokenizer.encode("the answer") == [END] + plain
    assert END not in tokenizer.encode_chat(ASKED)


def test_template_has_a_pinned_date_tojson_and_loop_controls(folder):
    (folder / "chat_template.jinja").write_text(
        "{{ strftime_now('%d %b %Y') }} {{ messages[0] | tojson }}"
        "{% for m in messages %}{% break %}{% endfor %}")
    text = Tokenizer(folder).render([{"role": "user", "content": "<ä>"}])
    assert text == '01 Jan 2025 {"role": "user", "content": "<ä>"}'


def test_template_cannot_leave_its_sandbox(folder):
    (folder / "chat_template.jinja").write_text("{{ messages.__class__.__mro__ }}")
    with pytest.raises(LoadError, match="chat template"):
        Tokenizer(folder)


def test_a_template_that_refuses_says_so(folder):
    (folder / "chat_template.jinja").write_text(
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}{{ messages[0].content }}")
    with pytest.raises(LoadError, match="no system role"):
        Tokenizer(folder).encode_chat([{"role": "system", "content": "x"}])


def test_no_template_is_fine_until_a_chat_is_asked_for(folder):
    change(folder / "tokenizer_config.json", chat_template=None)
    tokenizer = Tokenizer(folder)
    assert tokenizer.close_id is None and tokenizer.decode(tokenizer.encode("the girl")) == "the girl"
    with pytest.raises(LoadError, match="no chat template"):
        tokenizer.encode_chat(ASKED)


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
    ("chat_template.jinja", "{% for %}", "does not compile"),
])
def test_a_bad_file_is_named_in_one_line(folder, name, content, says):
    (folder / name).unlink() if content is None else (folder / name).write_text(content)
    with pytest.raises(LoadError, match=says) as error:
        Tokenizer(folder)
    message = str(error.value)
    assert "\n" not in message and (name in message or "chat template" in message)
