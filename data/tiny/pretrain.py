"""pretrain.py - make the bundled teaching model from nothing: tokenizer, weights, Hugging Face
layout.

    python data/tiny/pretrain.py --work FOLDER       # 70 minutes on two cores; killed and given
                                                     # again it goes on
    python data/tiny/pretrain.py --work FOLDER --export --out data/tiny      # write the last
                                                     # checkpoint in bf16
    python data/tiny/pretrain.py --check             # is the model fit for the comparison?
                                                     # (calibration.py)

What it reads is world.py's endless stream of documents, so no token is seen twice unless the world
says so. Choices: Muon for the matrices and AdamW for the rest (torch.optim has Muon since 2.9;
before that AdamW for all); the loss on a user's words counts a fifth, since their numbers are
random; documents are packed into rows that begin at a document's start.
"""
import argparse
import ctypes
import json
import math
import os
import shutil
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer as BPE, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))
sys.path.insert(0, str(HERE))

import model  # noqa: E402
import world  # noqa: E402
from data import UserError  # noqa: E402
from data.checkpoints.chat import Tokenizer  # noqa: E402
from data.files import digest  # noqa: E402
from data.cli.ending import guard  # noqa: E402

CONFIG = dict(
    model_type="llama", architectures=["LlamaForCausalLM"], vocab_size=1536, hidden_size=256,
    intermediate_size=704, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2,
    head_dim=64, max_position_embeddings=1024, rms_norm_eps=1e-5, rope_theta=10000.0,
    tie_word_embeddings=True, hidden_act="silu", attention_bias=False, mlp_bias=False,
    bos_token_id=None, eos_token_id=2, pad_token_id=0)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] "
            "+ '<|im_end|>' + '\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
ROW = 576                        # tokens
BATCH = 16                       # rows in a step
WARMUP = 60                      # steps
COOL = 800                       # steps
STAGES = (800, 2387)             # steps from which the world's next mixture of documents is read
USER_WEIGHT = 0.2                # of a user's tokens in the loss
TOKENS = 26_000_000              # to read


def make_tokenizer(folder):
    """Byte-level BPE with digits split, trained on the world's own text: any text in the world can
    be encoded."""
    bpe = BPE(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=CONFIG["vocab_size"], special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    stream = world.documents("tokenizer")
    texts = []
    for _ in range(20000):
        document = next(stream)
        if isinstance(document, list):
            document = "".join(m["role"] + "\n" + m["content"] + "\n" for m in document)
        texts.append(document)
    bpe.train_from_iterator(texts, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    bpe.save(str(folder / "tokenizer.json"))
    write(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>", "bos_token": None, "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONFIG["max_position_embeddings"], "chat_template": TEMPLATE})
    write(folder / "generation_config.json", {"eos_token_id": 2, "pad_token_id": 0})
    write(folder / "config.json", CONFIG)


def write(path, content):
    path.write_text(json.dumps(content, indent=2) + "\n")


def tokens_of(document, tokenizer):
    """A document's ids and the weight of each in the loss."""
    if isinstance(document, str):
        ids = tokenizer.encode(document)
        return ids + [0], [1.0] * (len(ids) + 1)
    prompt = tokenizer.encode_chat(document[:-1])
    ids = tokenizer.encode_chat(document)
    return ids, [USER_WEIGHT] * len(prompt) + [1.0] * (len(ids) - len(prompt))


def batch_of(step, tokenizer):
    """The rows of a step -> (ids, next ids, weights), each (BATCH, ROW).

    They come from the step's own seed, so that a resumed run reads what an undisturbed one reads.
    """
    stream = world.documents(step, stage_of(step))
    rows = []
    weights = []
    for _ in range(BATCH):
        row = []
        row_weights = []
        while len(row) < ROW + 1:
            ids, its_weights = tokens_of(next(stream), tokenizer)
            row += ids
            row_weights += its_weights
        rows.append(row[:ROW + 1])
        weights.append(row_weights[1:ROW + 1])
    rows = torch.tensor(rows)
    return rows[:, :-1], rows[:, 1:], torch.tensor(weights)


def optimisers(lm, lr):
    matrices = []
    others = []
    for name, p in lm.named_parameters():
        is_matrix = p.ndim == 2 and "embed" not in name and "lm_head" not in name
        (matrices if is_matrix else others).append(p)
    if hasattr(torch.optim, "Muon"):
        return [torch.optim.Muon(matrices, lr=lr, momentum=0.95, weight_decay=0.01),
                torch.optim.AdamW(others, lr=lr / 5, betas=(0.9, 0.95), weight_decay=0.0)]
    return [torch.optim.AdamW(matrices + others, lr=lr / 10, betas=(0.9, 0.95), weight_decay=0.01)]


def blocked_attention(q, k, v, attn_mask=None, is_causal=True, enable_gqa=True, blocks=3):
    """Causal attention in blocks of queries, each over the keys up to its end: on a CPU, compiled,
    half the time of PyTorch's own. q: (B, heads, T, head_dim)."""
    groups = q.size(1) // k.size(1)
    k = k.repeat_interleave(groups, 1)                   # (B, heads, T, head_dim)
    v = v.repeat_interleave(groups, 1)
    length = q.size(2)
    size = -(-length // blocks)
    outputs = []
    for start in range(0, length, size):
        end = min(start + size, length)
        queries = q[:, :, start:end] / math.sqrt(q.size(-1))
        scores = (queries @ k[:, :, :end].transpose(-1, -2)).float()
        is_later = torch.arange(start, end)[:, None] < torch.arange(end)
        shares = scores.masked_fill(is_later, -math.inf).softmax(-1).to(q.dtype)
        outputs.append(shares @ v[:, :, :end])
    return torch.cat(outputs, 2)


def tune_cpu():
    """Faster steps on a processor: attention in blocks, and freed memory kept, or every step would
    fault it in anew."""
    F.scaled_dot_product_attention = blocked_attention
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "mallopt"):
        libc.mallopt(-4, 0)                              # M_MMAP_MAX
        libc.mallopt(-1, 2**31 - 1)                      # M_TRIM_THRESHOLD
        libc.mallopt(-2, 2**28)                          # M_TOP_PAD


def schedule(step, steps):
    """Warm up, hold, fall linearly to nothing over COOL steps before the last stage, and from where
    that would stand over its own steps."""
    end = steps if step >= STAGES[-1] else min(steps, STAGES[-1])
    return min(1.0, (step + 1) / WARMUP) * min(1.0, (end - step) / COOL)


def new_model(device):
    """The model with random weights."""
    lm = model.Transformer(model.Config.from_dict(CONFIG)).to(device)
    for name, p in lm.named_parameters():
        if p.ndim != 2:
            torch.nn.init.ones_(p)
        elif name.endswith(("o_proj.weight", "down_proj.weight")):
            torch.nn.init.normal_(p, std=0.02 / math.sqrt(2 * CONFIG["num_hidden_layers"]))
        else:
            torch.nn.init.normal_(p, std=0.02)
    return lm


def train(args):
    state = args.work / "state.pt"
    args.work.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    saved = None
    if state.exists():
        saved = torch.load(state, weights_only=True, map_location=device)
        if saved["world"] != fingerprint():
            raise UserError(f"{state} was trained on another world or with other settings "
                            f"({saved['world']}, not {fingerprint()}); give another --work")
    if not (args.work / "tokenizer.json").exists():
        make_tokenizer(args.work)
    tokenizer = Tokenizer(args.work)
    torch.manual_seed(0)
    # Compiled, threads would add up the embedding's gradient in any order.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=device == "cuda")
    lm = new_model(device)
    opts = optimisers(lm, args.lr)
    start = 0
    if saved:
        lm.load_state_dict(saved["model"])
        for opt, its_state in zip(opts, saved["opts"]):
            opt.load_state_dict(its_state)
        start = saved["step"]
        print(f"going on from step {start}", flush=True)

    def loss_of(ids, labels, weights):
        with torch.autocast(device, torch.bfloat16, enabled=bool(args.bf16)):
            logits = lm(ids)
        nll = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), reduction="none")
        return (nll * weights.flatten()).sum() / weights.sum()

    step_loss = loss_of
    if shutil.which("gcc") or device == "cuda":
        step_loss = torch.compile(loss_of)
        if device == "cpu":
            tune_cpu()

    steps = args.tokens // (ROW * BATCH)
    parameters = sum(p.numel() for p in lm.parameters())
    print(f"{parameters / 1e6:.2f}M parameters, {steps} steps of {ROW * BATCH} tokens on {device}",
          flush=True)
    began = time.time()
    mean = None
    last = min(steps, args.stop or steps)
    for step in range(start, last):
        ids, labels, weights = (x.to(device) for x in batch_of(step, tokenizer))
        loss = step_loss(ids, labels, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(lm.parameters(), 1.0)
        for opt in opts:
            for group in opt.param_groups:
                group["lr"] = group.setdefault("top", group["lr"]) * schedule(step, steps)
            opt.step()
            opt.zero_grad(set_to_none=True)
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        done = step + 1 - start
        if done % 20 == 0:
            rate = done * ROW * BATCH / (time.time() - began)
            left = (steps - step - 1) * ROW * BATCH / rate / 60
            print(f"step {step + 1}/{steps} loss {mean:.3f} {rate:.0f} tokens/s, "
                  f"{left:.0f} min to go", flush=True)
        if (step + 1) % 100 == 0 or step + 1 == last:
            made = {"tokens": args.tokens, "lr": args.lr, "torch": str(torch.__version__)}
            torch.save({"model": lm.state_dict(), "opts": [opt.state_dict() for opt in opts],
                        "step": step + 1, "world": fingerprint(), "made": made},
                       args.work / "state.tmp")
            os.replace(args.work / "state.tmp", state)
    export(args)


def export(args):
    """Write the last checkpoint as a model folder, in bf16."""
    tokenizer = Tokenizer(args.work)
    lm = model.Transformer(model.Config.from_dict(CONFIG))
    saved = torch.load(args.work / "state.pt", weights_only=True, map_location="cpu")
    lm.load_state_dict(saved["model"])
    out = args.out or args.work / "export"
    model.save(lm, tokenizer, out, dtype=torch.bfloat16)
    made = {"world": saved["world"], "step": saved["step"], **saved["made"]}
    (out / "world.json").write_text(json.dumps(made) + "\n")


def stage_of(step):
    return sum(step >= first for first in STAGES)


def write_shown(path=HERE / "shown.txt"):
    """The checksums of the questions of half-known kinds that pre-training shows, so that none
    becomes an item."""
    shown = set()
    for step in range(TOKENS // (ROW * BATCH)):
        shown |= world.shown_questions(step, stage_of(step))
    path.write_text("\n".join(f"{n:08x}" for n in sorted(shown)) + "\n")


def fingerprint():
    """Digest of what decides the weights: the settings, and the first documents of the world's
    text."""
    streams = [world.documents("fingerprint", stage) for stage in range(3)]
    documents = [next(stream) for stream in streams for _ in range(2000)]
    return digest(CONFIG, [ROW, BATCH, WARMUP, COOL, STAGES, USER_WEIGHT], documents)


def main():
    parser = argparse.ArgumentParser(
        description="Pre-train the bundled teaching model on world.py's text.")
    add = parser.add_argument
    add("--work", type=Path, help="folder for checkpoints; a second run goes on from there")
    add("--out", type=Path, help="where --export writes (data/tiny for the bundled model)")
    add("--tokens", type=int, default=TOKENS, help=f"how many to read (default {TOKENS:,})")
    add("--stop", type=int, help="stop at this step (the schedule stays that of --tokens)")
    add("--lr", type=float, default=0.02)
    add("--bf16", type=int, default=1, help="0: compute in fp32")
    add("--export", action="store_true",
        help="write the last checkpoint in bf16, in Hugging Face layout")
    add("--check", action="store_true",
        help="print the calibration's criteria, measured on the base model; exit code 1 if one is "
             "missed")
    add("--shown", action="store_true",
        help="write shown.txt, which keeps what pre-training shows out of the items")
    add("--model", type=Path, default=HERE, metavar="FOLDER",
        help="what --check looks at (default: the bundled weights)")
    args = parser.parse_args()
    if args.check:
        import calibration           # which imports this file
        sys.exit(1 if calibration.check(args.model) else 0)
    if args.shown:
        return write_shown()
    if args.work is None:
        raise UserError("where should checkpoints go? give --work FOLDER "
                        "(or --check for the calibration)")
    least = ROW * BATCH * (WARMUP + 1)
    if args.tokens < least:
        raise UserError(f"--tokens {args.tokens} is less than the warm-up; give at least {least:,}")
    if args.export and not (args.work / "state.pt").is_file():
        raise UserError(f"{args.work} holds no checkpoint; run without --export first")
    return export(args) if args.export else train(args)


if __name__ == "__main__":
    sys.exit(guard(main))
