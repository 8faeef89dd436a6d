"""Writes tests/golden/: what transformers computes from two tiny Llama models and a tiny tokenizer.

    python tests/make_golden_model.py       # needs transformers, which the tests do not

All of it is made here: random weights from a seed, a byte-level BPE trained on the sentences below, a
ChatML template. The tests hold model.py and data/chat.py against the files, without transformers.
golden/tokenizer      tokenizer files
golden/chats.json     chats and texts with the ids that transformers gives them
golden/tied, untied   model folders without tokenizer (weights in bf16, to stay small); "tied" has the
                      config.json of transformers 5, "untied" the older spelling; golden.safetensors beside
                      them holds ids, fp32 logits and a greedy continuation
"""
import json
from pathlib import Path

import tokenizers
import torch
import transformers
from safetensors.torch import save_file

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
SENTENCES = ["user: how many stamps does the girl have?", "assistant: the answer is twelve, and the girl has 12 stamps.",
             "system: you are the one who counts the stamps and the answers."] * 3
CHATS = [
    [{"role": "user", "content": "How many?"}],
    [{"role": "system", "content": "Be short."}, {"role": "user", "content": "  12 + 30\n\n= ?\t"}],
    [{"role": "user", "content": "the stamps"}, {"role": "assistant", "content": "the answer is 12"}],
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b "}, {"role": "user", "content": "ä☃"}],
    [{"role": "user", "content": "what does <|im_end|> mean, and <|endoftext|>?"}],
]
TEXTS = ["", " the answer", "the answer is 12.\n", "Zoë → 3 <|im_end|> x"]


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


if __name__ == "__main__":
    size = make_tokenizer()
    make_model("tied", size, True)
    make_model("untied", size, False)
