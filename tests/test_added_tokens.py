"""Tokens that stand in other files than tokenizer.json, and what it puts around a text: the ids of transformers 5.24.

The tiny tokenizer has the ids 0 to 299; 0 to 2 are its markers."""
import shutil
from pathlib import Path

import pytest

import model
from data.checkpoints import LoadError
from data.checkpoints.chat import Tokenizer
from test_chat import GOLDEN, change

MARKERS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
HI = [74, 75]                                   # "hi"
SPACE = 223


@pytest.fixture
def folder(tmp_path):
    """A copy of the tiny tokenizer that a test may change."""
    return Path(shutil.copytree(GOLDEN / "tokenizer", tmp_path / "tokenizer"))


def marker(content, **flags):
    plain = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True}
    return {"content": content} | plain | flags


LISTED = {str(id): marker(content) for id, content in enumerate(MARKERS)}


def around(front=(), behind=()):
    """A post_processor that puts these ids around a text."""
    def place(id):
        return {"SpecialToken": {"id": MARKERS[id], "type_id": 0}}
    single = [*map(place, front), {"Sequence": {"id": "A", "type_id": 0}}, *map(place, behind)]
    tokens = {MARKERS[id]: {"id": MARKERS[id], "ids": [id], "tokens": [MARKERS[id]]} for id in (*front, *behind)}
    return {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": tokens}


BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
CONFIG = "tokenizer_config.json"
CASES = {
    # name: ({file: fields to set}, text, ids)
    "markers only listed in the config": (
        {"tokenizer.json": {"added_tokens": []}, CONFIG: {"added_tokens_decoder": LISTED}},
        "<|im_start|>hi<|im_end|>", [1, *HI, 2]),
    "markers only named by their role": ({"tokenizer.json": {"added_tokens": []}}, "hi<|im_end|>", [*HI, 2]),
    "a new token": (
        {CONFIG: {"added_tokens_decoder": LISTED | {"300": marker("<new>")}}}, "hi <new>", [*HI, SPACE, 300]),
    "listed in another order": (
        {CONFIG: {"added_tokens_decoder": {"301": marker("<b>"), "300": marker("<a>")} | LISTED}}, "<a><b>",
        [300, 301]),
    "takes the space on its left": (
        {CONFIG: {"added_tokens_decoder": LISTED | {"300": marker("<new>", lstrip=True)}}}, "hi <new> hi",
        [*HI, 300, 268, 75]),               # 268: " h"
    "takes the space on its right": (
        {CONFIG: {"added_tokens_decoder": LISTED | {"300": marker("<new>", rstrip=True)}}}, "hi <new> hi",
        [*HI, SPACE, 300, *HI]),
    "other flags than in tokenizer.json": (
        {CONFIG: {"added_tokens_decoder": LISTED | {"2": marker("<|im_end|>", lstrip=True, rstrip=True)}}},
        "hi <|im_end|> hi", [*HI, 2, *HI]),
    "a whole word only": (
        {CONFIG: {"added_tokens_decoder": LISTED | {"300": marker("hi", single_word=True)}}}, "hi", [300]),
    "an end token that no vocabulary has": ({CONFIG: {"eos_token": "<eos>"}}, "hi<eos>", [*HI, 300]),
    "roles in the older file": (
        {CONFIG: {"bos_token": None, "eos_token": None},
         "special_tokens_map.json": {"bos_token": marker("<s>"), "eos_token": marker("</s>")}},
        "<s>hi</s>", [300, *HI, 301]),
    "the older file, where the config lists its tokens": (
        {CONFIG: {"added_tokens_decoder": LISTED}, "special_tokens_map.json": {"eos_token": "hi"}}, "hi", HI),
    "additional tokens": ({CONFIG: {"additional_special_tokens": ["<|im_start|>", "<a>", "<b>"]}}, "<b>", [301]),
    "extra tokens": ({CONFIG: {"extra_special_tokens": ["<a>"]}}, "<a>", [300]),
    "extra tokens by name": ({CONFIG: {"extra_special_tokens": {"image_token": "<a>"}}}, "<a>", [300]),
    "a role of this model": ({CONFIG: {"image_token": "<a>"}}, "<a>", [300]),
    "additional tokens in the older file": (
        {"special_tokens_map.json": {"additional_special_tokens": ["<a>"]}}, "<a>", [300]),
    "the oldest file": ({"added_tokens.json": {"<b>": 301, "<a>": 300}}, "<a><b>", [300, 301]),
    "a padding token": ({CONFIG: {"pad_token": "[PAD]"}}, "hi[PAD]", [*HI, 300]),
    "a padding token before others": (
        {CONFIG: {"pad_token": "[PAD]", "extra_special_tokens": ["<a>"]}}, "<a>", [301]),
    "two tokens in front": ({"tokenizer.json": {"post_processor": around([0, 1])}}, "hi", [0, 1, *HI]),
    "one in front and one behind": ({"tokenizer.json": {"post_processor": around([0], [2])}}, "hi", [0, *HI, 2]),
    "one behind": ({"tokenizer.json": {"post_processor": around([], [2])}}, "hi", [*HI, 2]),
    "in a sequence": (
        {"tokenizer.json": {"post_processor": {"type": "Sequence", "processors": [BYTES, around([0, 1], [2])]}}},
        "hi", [0, 1, *HI, 2]),
    # tokenizer.json decides about these two
    "flags of the config": ({CONFIG: {"add_bos_token": True, "add_eos_token": True}}, "hi", HI),
    "split as any text": ({CONFIG: {"split_special_tokens": True, "chat_template": None}}, "<|im_end|>",
                          [30, 94, 75, 79, 65, 71, 80, 70, 94, 32]),
}


def write(folder, files):
    for name, fields in files.items():
        change(folder / name, **fields)


@pytest.mark.parametrize("name", CASES)
def test_ids_are_those_of_transformers(folder, name):
    files, text, ids = CASES[name]
    write(folder, files)
    tokenizer = Tokenizer(folder)
    assert tokenizer.encode(text) == ids and tokenizer.size > max(ids)


@pytest.mark.parametrize("name", CASES)
def test_transformers_where_it_is_installed(folder, name):
    transformers = pytest.importorskip("transformers")
    files, text, ids = CASES[name]
    write(folder, files)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert theirs(text).input_ids == ids
    assert theirs.decode(ids, skip_special_tokens=True) == Tokenizer(folder).decode(ids)


def test_what_ends_a_text_does_not_end_a_prompt(folder):
    """As in a chat, whose ids end where the answer begins. lm-eval would read the EOS as the answer's first token."""
    write(folder, {"tokenizer.json": {"post_processor": around([0, 1], [2])}, CONFIG: {"chat_template": None}})
    tokenizer = Tokenizer(folder)
    assert tokenizer.encode_batch(["hi", ""]) == [[0, 1, *HI], [0, 1]]
    prompt = tokenizer.encode_chat([{"role": "user", "content": "hi"}])
    assert prompt[:2] == [0, 1] and 2 not in prompt


def test_a_role_makes_a_token_that_ends_answers(folder):
    write(folder, {CONFIG: {"eos_token": None, "chat_template": None},
                   "special_tokens_map.json": {"eos_token": "<eos>"}})
    tokenizer = Tokenizer(folder)
    assert tokenizer.end_ids == [300] and tokenizer.close_id == 300 and tokenizer.decode([*HI, 300]) == "hi"


@pytest.mark.parametrize("roles, sizes", [
    ({"pad_token": "[PAD]"}, {300: 300, 301: 301, None: 301}),
    ({"pad_token": "[PAD]", "unk_token": "<unk>", "mask_token": "<m>"}, {300: 300, 302: 302, None: 303}),
    ({"pad_token": "</s>", "eos_token": "</s>"}, {300: 301, 301: 301}),         # refused by check_model
])
def test_a_padding_token_is_left_out_where_the_model_has_no_row_for_it(folder, roles, sizes):
    write(folder, {CONFIG: roles})
    assert {rows: Tokenizer(folder, rows=rows).size for rows in sizes} == sizes


def test_saved_files_keep_the_tokens(folder, tmp_path):
    write(folder, {CONFIG: {"eos_token": None}, "special_tokens_map.json": {"eos_token": "</s>"},
                   "added_tokens.json": {"<new>": 300}})
    Tokenizer(folder).save(tmp_path / "copy")
    assert Tokenizer(tmp_path / "copy").encode("<new></s>") == [300, 301]


@pytest.mark.parametrize("fields, says", [
    ({"added_tokens_decoder": LISTED | {"302": marker("<new>")}}, "gives '<new>' the id 302, .* it is 300"),
    ({"added_tokens_decoder": {"300": "<new>"}}, "lists a token that cannot be read"),
    ({"added_tokens_decoder": ["<new>"]}, "lists a token that cannot be read"),
    ({"added_tokens_decoder": {"300": {"special": True}}}, "lists a token that cannot be read"),
    ({"added_tokens_decoder": {"x": marker("<new>")}}, "lists a token that cannot be read"),
    ({"extra_special_tokens": 5}, "lists a token that cannot be read"),
    ({"eos_token": {"content": 5}}, "lists a token that cannot be read"),
])
def test_tokens_that_cannot_be_read_are_refused_in_one_line(folder, fields, says):
    write(folder, {CONFIG: fields})
    with pytest.raises(LoadError, match=says) as error:
        Tokenizer(folder)
    assert "\n" not in str(error.value)


def test_tokens_that_the_model_has_no_rows_for_are_refused_in_one_line(folder):
    for file in (GOLDEN / "tied").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    change(folder / CONFIG, extra_special_tokens=[f"<{n}>" for n in range(9)])      # 304 rows
    with pytest.raises(LoadError, match="309 entries .* 304 rows"):
        model.load(folder, "cpu")
