"""Writes tests/golden/: what transformers computes from two tiny Llama models and a tiny tokenizer.

    python tests/make_golden_model.py       # needs transformers, which the tests do not

All of it is made here: random weights from a seed, a byte-level BPE trained on the sentences below, a
ChatML template. The tests hold model.py and data/checkpoints/chat.py against the files, without transformers.
golden/tokenizer      tokenizer files
golden/chats.json     chats and texts with the ids that transformers gives them
golden/templates.json our own templates in the shapes of well-known ones, and the ids that transformers makes with them
                      on 1 January 2025, or why it refuses a chat; and the ids of a text where tokenizer.json puts BOS
                      in front and where it does not
golden/tied, untied   model folders without tokenizer (weights in bf16, to stay small); "tied" has the
                      config.json of transformers 5, "untied" the older spelling; golden.safetensors beside
                      them holds ids, fp32 logits and a greedy continuation
"""
import json
import re
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

import tokenizers
import torch
import transformers
from safetensors.torch import save_file

import conftest     # noqa: F401, it puts the project on the path
from test_chat import dress

GOLDEN = Path(__file__).parent / "golden"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = """{%- if messages[0].role != 'system' %}
    {{- '<|im_start|>system\\nYou count.<|im_end|>\\n' -}}
{%- endif %}
{% for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{% endfor %}
{% if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' -}}
{% endif %}"""
SENTENCES = ["user: how many stamps does the girl have?",
             "assistant: the answer is twelve, and the girl has 12 stamps.",
             "system: you are the one who counts the stamps and the answers."] * 3
CHATS = [
    [{"role": "user", "content": "How many?"}],
    [{"role": "system", "content": "Be short."}, {"role": "user", "content": "  12 + 30\n\n= ?\t"}],
    [{"role": "user", "content": "the stamps"}, {"role": "assistant", "content": "the answer is 12"}],
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b "}, {"role": "user", "content": "ä☃"}],
    [{"role": "user", "content": "what does <|im_end|> mean, and <|endoftext|>?"}],
]
TEXTS = ["", " the answer", "the answer is 12.\n", "Zoë → 3 <|im_end|> x"]

HEADERS = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
TEMPLATES = {       # name: what `dress` does to the tokenizer, settings of apply_chat_template
    "llama-2": (dict(bos=True, template="""{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}
{% set told = messages[0].content %}
{% else %}{% set rest = messages %}{% set told = false %}
{% endif %}
{% for message in rest %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('user and assistant must take turns') }}{% endif %}
{% if loop.first and told != false %}{% set text = '<<SYS>>\\n' + told + '\\n<</SYS>>\\n\\n' + message['content'] %}
{% else %}{% set text = message['content'] %}
{% endif %}
{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}
{%- elif message['role'] == 'assistant' %}{{ ' ' + text.strip() + ' ' + eos_token }}
{%- endif %}
{% endfor %}"""), {}),
    "llama-3": (dict(bos=True, tokens=HEADERS, eos_token="<|eot_id|>", template="""{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set told = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set told = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- tools | tojson(indent=4) }}
{%- endif %}
{{- "Today: " + date_string + "\\n\\n" }}
{{- told }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""), {}),
    "mistral": (dict(bos=True, template="""{{ bos_token }}{% for message in messages %}
{%- if message['role'] not in ['user', 'assistant'] %}\
{{ raise_exception('only user and assistant may speak, not ' + message['role']) }}
{%- elif (message['role'] == 'user') != (loop.index0 is even) %}\
{{ raise_exception('user and assistant must take turns') }}
{%- elif message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}
{%- else %}{{ message['content'] + eos_token }}
{%- endif %}
{%- endfor %}"""), {}),
    **{f"qwen-3{'-thinking' * thinking}": (dict(tokens=["<think>", "</think>"], template="""
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- if ns.searching and message.role == "user" %}
        {%- set ns.searching = false %}
        {%- set ns.last = messages|length - 1 - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set thought = '' %}
    {%- set content = message.content %}
    {%- if message.role == 'assistant' and '</think>' in content %}
        {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {%- if message.role == 'assistant' and loop.index0 > ns.last and (loop.last or thought) %}
        {{- '<|im_start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' \
+ content.lstrip('\\n') + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""), {"enable_thinking": thinking}) for thinking in (False, True)},
    "chatml": (dict(template=TEMPLATE), {}),
    "generation": (dict(template="""{% for message in messages %}
    {%- if message.role == 'assistant' %}
<|im_start|>assistant
{% generation %}
{{ message.content }}<|im_end|>
{% endgeneration %}
    {%- else %}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
    {% endif %}
{% endfor %}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif %}"""), {}),
    "generation-tight": (dict(template="{%- for m in messages -%}{%- if m.role == 'assistant' -%}{%- generation -%}"
                              "{{- m.content }} {{ eos_token -}}{%- endgeneration -%}{%- else -%}"
                              "{{ m.role }}: {{ m.content }}\\n\\n{%- endif -%}{%- endfor -%}"), {}),
}
ORDERS = [[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
          [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}],
          [{"role": "system", "content": "Count."}, {"role": "user", "content": "a"}, {"role": "assistant", "content":
           "<think>\n1, 2\n</think>\n\nb"}, {"role": "user", "content": "c"}],
          [{"role": "user", "content": "a"},
           {"role": "assistant", "content": "<think>\n1\n</think>\n\nthe answer is 12"}]]


def make_tokenizer():
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Digits(individual_digits=True),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = tokenizers.decoders.ByteLevel()
    bpe.train_from_iterator(SENTENCES, tokenizers.trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    folder = GOLDEN / "tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    bpe.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": SPECIAL[0], "eos_token": SPECIAL[2],
              "pad_token": SPECIAL[0], "add_bos_token": False, "clean_up_tokenization_spaces": False,
              "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    chats = [{"messages": chat, "ids": tokenizer.apply_chat_template(
        chat, add_generation_prompt=chat[-1]["role"] != "assistant", return_dict=False)} for chat in CHATS]
    texts = []
    for text in TEXTS:
        ids = tokenizer.encode(text)
        texts.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=True)})
    (GOLDEN / "chats.json").write_text(json.dumps({"chats": chats, "texts": texts}, indent=1) + "\n")
    return len(tokenizer)


def make_model(name, size, tied):
    torch.manual_seed(tied)
    config = transformers.LlamaConfig(
        vocab_size=size + 4,    # rows past the tokenizer, as many public models have them
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=12, max_position_embeddings=128, rms_norm_eps=1e-5, tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0 if tied else 10000.0},
        bos_token_id=0, eos_token_id=2)
    lm = transformers.LlamaForCausalLM(config)
    for p in lm.parameters():   # spread out, so that a wrong detail shows
        p.data = (p.data + 0.1 * torch.randn_like(p)).bfloat16().float()
    lm.bfloat16().save_pretrained(GOLDEN / name)
    (GOLDEN / name / "generation_config.json").unlink()
    if not tied:
        path = GOLDEN / name / "config.json"
        old = json.loads(path.read_text())
        theta = old.pop("rope_parameters")["rope_theta"]
        path.write_text(json.dumps(old | {"rope_theta": theta, "rope_scaling": None}, indent=2) + "\n")
    lm = transformers.LlamaForCausalLM.from_pretrained(GOLDEN / name, dtype=torch.float32).eval()
    ids = torch.randint(0, size, (2, 8))
    with torch.no_grad():
        logits = lm(ids).logits
        greedy = lm.generate(ids[:1], max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0)
    save_file({"ids": ids, "logits": logits, "greedy": greedy[0, ids.size(1):].contiguous()},
              GOLDEN / name / "golden.safetensors")


def dressed(**changes):
    """transformers' reader of our tokenizer with these changes."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(GOLDEN / "tokenizer", folder, dirs_exist_ok=True)
        dress(Path(folder), **changes)
        (Path(folder) / "config.json").write_text('{"model_type": "llama"}')
        return transformers.AutoTokenizer.from_pretrained(folder)


def make_templates():
    pinned = type("Pinned", (), {"now": staticmethod(lambda: datetime(2025, 1, 1))})
    transformers.utils.chat_template_utils.datetime = pinned
    templates, starts = {}, []
    for name, (dressing, settings) in TEMPLATES.items():
        tokenizer, chats = dressed(**dressing), []

        def ids(chat):
            asks = chat[-1]["role"] != "assistant"
            return tokenizer.apply_chat_template(chat, add_generation_prompt=asks, return_dict=False, **settings)
        for chat in CHATS + ORDERS:
            try:
                chats.append({"messages": chat, "ids": ids(chat)})
            except Exception as error:
                chats.append({"messages": chat, "refused": str(error)})
                if chat[0]["role"] == "system":         # what we make of it instead
                    first = {"role": "user", "content": f"{chat[0]['content']}\n\n{chat[1]['content']}"}
                    chats[-1]["folded"] = ids([first, *chat[2:]])
        print(name, ["ids" in chat for chat in chats])
        templates[name] = {"dress": dressing, "thinking": settings.get("enable_thinking", False), "chats": chats}
    for bos in (False, True):
        for flag in (None, False, True):
            for kind in ("PreTrainedTokenizerFast", "LlamaTokenizerFast"):
                settings = {"bos": bos, "add_bos_token": flag, "tokenizer_class": kind}
                starts.append({"dress": settings, "ids": dressed(**settings)("the answer is 12")["input_ids"]})
    content = {"templates": templates, "text": "the answer is 12", "starts": starts}
    text = json.dumps(content, indent=0, ensure_ascii=False)
    text = re.sub(r"(?<=\d),\n(?=\d)", ", ", text)             # ids side by side
    text = re.sub(r"(?<=[\d\[])\n(?=[\d\]])", "", text)
    (GOLDEN / "templates.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    size = make_tokenizer()
    make_templates()
    make_model("tied", size, True)
    make_model("untied", size, False)
