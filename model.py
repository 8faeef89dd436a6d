"""A Llama-style language model: config, layers, sampling, scores, load and save.

    python -c "import model; lm, tok = model.load('data/tiny'); \
               print(model.generate(lm, [tok.encode_chat([{'role': 'user', 'content': 'Hello'}])], 40))"

Design choices:
- parameter names, config.json and safetensors are those of transformers' LlamaForCausalLM: `load` opens
  public checkpoints, and transformers opens what `save` writes;
- sampling is written twice: `generate_plain` is the loop to understand, `generate` the same thing fast
  (key-value cache, many rows at once), and the tests hold one against the other;
- text never enters here: prompts and answers are lists of token ids.

Shapes: B rows, T positions, D hidden size, H query heads, G key-value heads, E head size, V vocabulary.
"""
import json
import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import nn

from data import checkpoint, hub, prefixes
from data.chat import LoadError, Tokenizer, read_json, write_atomic
from data.device import precision, usable       # noqa: F401 (which device, which dtype: asked for as model.precision)


# ---------------------------------------------------------------- config

@dataclass
class Config:
    """What the layers need to know. `data.checkpoint.read_config` makes one of any supported config.json.

    The families differ in little: qwen2 has biases on q, k, v; qwen3 norms q and k instead and names its head size;
    mistral and some qwen models look back over a window only; llama may stretch the rotary angles (3.1 and later).
    """
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    vocab_size: int
    max_position_embeddings: int
    num_key_value_heads: int = 0        # 0: as many as query heads
    head_dim: int = 0                   # 0: hidden_size / num_attention_heads
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False   # the head is the embedding
    rope_theta: float = 10000.0
    rope_scaling: dict = None           # {"rope_type": "linear" or "llama3", "factor": ..}, None for plain angles
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False               # RMSNorm on every head's queries and keys
    windows: tuple = ()                 # for each layer how many positions it sees, its own included; None: all
    source: dict = field(default_factory=dict, repr=False, compare=False)      # config.json as it was read

    def __post_init__(self):
        self.num_key_value_heads = self.num_key_value_heads or self.num_attention_heads
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads
        self.windows = tuple(self.windows) or (None,) * self.num_hidden_layers

    @classmethod
    def from_dict(cls, d, file="config.json"):
        """The content of config.json -> Config; LoadError names what is missing, malformed or not supported."""
        return cls(**checkpoint.read_config(d, file), source=d)

    def to_dict(self):
        """config.json for transformers, old and new: as it was read, or of the Llama family."""
        plain = {k: v for k, v in asdict(self).items() if k not in ("source", "windows", "qkv_bias", "o_bias", "qk_norm")}
        return self.source or plain | {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu",
                                       "attention_bias": self.qkv_bias}


# ---------------------------------------------------------------- layers

class RMSNorm(nn.Module):
    """x / rms(x) * weight, in fp32 or better whatever the dtype of x."""

    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        h = x.to(torch.promote_types(x.dtype, torch.float32))
        h = h * torch.rsqrt(h.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * h.to(x.dtype)


def rope_table(positions, config):
    """Cosine and sine of the angle of every position and channel: each (B, 1, T, E).

    Channel i and its partner i + E/2 turn by position * theta^(-2i/E). A model that was trained on short texts and then
    stretched to long ones turns more slowly: all channels ("linear"), or only those that turn less than
    `high_freq_factor` times in the first context, the slowest fully and the others in part ("llama3").
    """
    channels = torch.arange(0, config.head_dim, 2, device=positions.device, dtype=torch.float32)
    frequencies = 1 / config.rope_theta ** (channels / config.head_dim)     # (E/2,), in radians per position
    stretch = config.rope_scaling or {}
    if stretch.get("rope_type") == "linear":
        frequencies = frequencies / stretch["factor"]
    elif stretch.get("rope_type") == "llama3":
        low, high = stretch["low_freq_factor"], stretch["high_freq_factor"]
        turns = stretch["original_max_position_embeddings"] * frequencies / (2 * math.pi)
        kept = ((turns - low) / (high - low)).clamp(0, 1)
        frequencies = frequencies * (kept + (1 - kept) / stretch["factor"])
    angles = positions[:, None, :, None].float() * frequencies              # (B, 1, T, E/2)
    angles = torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """Turn every pair (i, i + E/2) of the last dimension: the rotate-half form of public Llama weights."""
    a, b = x.chunk(2, -1)
    return x * cos.to(x.dtype) + torch.cat((-b, a), -1) * sin.to(x.dtype)


class Attention(nn.Module):
    """Causal self-attention in which H query heads share G key-value heads."""

    def __init__(self, c):
        super().__init__()
        self.head_dim = c.head_dim
        self.q_proj = nn.Linear(c.hidden_size, c.num_attention_heads * c.head_dim, bias=c.qkv_bias)
        self.k_proj = nn.Linear(c.hidden_size, c.num_key_value_heads * c.head_dim, bias=c.qkv_bias)
        self.v_proj = nn.Linear(c.hidden_size, c.num_key_value_heads * c.head_dim, bias=c.qkv_bias)
        self.o_proj = nn.Linear(c.num_attention_heads * c.head_dim, c.hidden_size, bias=c.o_bias)
        self.q_norm = RMSNorm(c.head_dim, c.rms_norm_eps) if c.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(c.head_dim, c.rms_norm_eps) if c.qk_norm else nn.Identity()

    def forward(self, x, rope, cache=None, positions=None, mask=None):
        """cache: keys and values so far (2, B, G, S, E); positions: where x stands in it, None for its beginning.
        mask (B, 1, T, S): what each position sees; None for all before it."""
        B, T, _ = x.shape
        q, k, v = (proj(x).view(B, T, -1, self.head_dim).transpose(1, 2)    # q (B, H, T, E); k, v (B, G, T, E)
                   for proj in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(self.q_norm(q), *rope), rotate(self.k_norm(k), *rope)
        if cache is not None and positions is None:
            cache[0, :, :, :T], cache[1, :, :, :T] = k, v
        elif cache is not None:
            rows = torch.arange(B, device=x.device)[:, None]
            cache[0][rows, :, positions] = k.transpose(1, 2)
            cache[1][rows, :, positions] = v.transpose(1, 2)
            k, v = cache[:, :, :, :mask.size(-1)]           # (B, G, up to the longest row, E)
        if mask is not None and T == 1:     # the query heads of a group stand in for positions: no copy of k and v per head
            q = q.reshape(B, k.size(1), -1, self.head_dim)
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).view(B, -1, 1, self.head_dim)
        else:
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=True)
        return self.o_proj(out.transpose(1, 2).reshape(B, T, -1))


class MLP(nn.Module):
    """SwiGLU: a gate decides, channel by channel, how much of `up` goes down."""

    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=c.mlp_bias)
        self.up_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=c.mlp_bias)
        self.down_proj = nn.Linear(c.intermediate_size, c.hidden_size, bias=c.mlp_bias)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """Two residual steps: look at earlier positions, then think about each one."""

    def __init__(self, c):
        super().__init__()
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp = MLP(c)

    def forward(self, x, *attention):
        x = x + self.self_attn(self.input_layernorm(x), *attention)
        return x + self.mlp(self.post_attention_layernorm(x))


class Transformer(nn.Module):
    """Token ids in, logits out. Attention is causal, so rows may be padded on the right with any id."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.vocab_limit = config.vocab_size    # ids from here on are never sampled (`load` lowers it)
        self.checkpointing = False              # True trains in a fraction of the memory, a third slower
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(config.vocab_size, config.hidden_size),
            "layers": nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers)),
            "norm": RMSNorm(config.hidden_size, config.rms_norm_eps)})
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02)

    def hidden(self, ids, cache=None, start=None):
        """ids (B, T) -> hidden states after the final norm (B, T, D).

        cache: from `new_cache`, filled on the way. start: how many positions each row has in it already
        (a list of B numbers); None for none.
        """
        B, T = ids.shape
        positions, seen = torch.arange(T, device=ids.device)[None], T               # (1, T)
        if start is not None:
            positions, seen = torch.tensor(start, device=ids.device)[:, None] + positions, max(start) + T      # (B, T)
        windows = {w for w in self.config.windows if w is not None and w < seen}
        masks = dict.fromkeys(self.config.windows)          # one for each window; None: every earlier position
        if start is not None or windows:
            gap = positions[:, None, :, None] - torch.arange(seen, device=ids.device)       # (B or 1, 1, T, S): how far back
            earlier = gap >= 0 if start is not None else None
            masks = {w: (gap >= 0) & (gap < w) if w in windows else earlier for w in masks}
        rope = rope_table(positions, self.config)
        x = self.model["embed_tokens"](ids)
        for i, block in enumerate(self.model["layers"]):
            attention = (rope, None if cache is None else cache[i], positions if start is not None else None,
                         masks[self.config.windows[i]])
            if self.checkpointing and torch.is_grad_enabled():  # forget what is inside a block, compute it again in backward
                x = torch.utils.checkpoint.checkpoint(block, x, *attention, use_reentrant=False)
            else:
                x = block(x, *attention)
        return self.model["norm"](x)

    def head(self, h):
        """Hidden states (.., D) -> logits (.., V)."""
        return F.linear(h, (self.model["embed_tokens"] if self.config.tie_word_embeddings else self.lm_head).weight)

    def forward(self, ids):
        return self.head(self.hidden(ids))

    @property
    def dtype(self):
        return self.model["embed_tokens"].weight.dtype

    def new_cache(self, rows, length):
        """Keys and values of every layer: (layers, 2, rows, G, length, E)."""
        c, like = self.config, self.model["embed_tokens"].weight
        return like.new_zeros(c.num_hidden_layers, 2, rows, c.num_key_value_heads, length, c.head_dim)


# ---------------------------------------------------------------- LoRA

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoRA(nn.Module):
    """A frozen linear layer with a trainable low-rank update beside it: W x + alpha / rank * B A dropout(x).

    Hu et al. 2021, arXiv 2106.09685. A is random and B zero, so nothing changes before B is trained. A and B are fp32 and
    compute in the dtype of x; W stays as it is.
    """

    def __init__(self, linear, rank, alpha, dropout=0.0):
        super().__init__()
        self.base_layer = linear
        where = {"device": linear.weight.device, "dtype": torch.float32}
        self.lora_A = nn.Linear(linear.in_features, rank, bias=False, **where)
        self.lora_B = nn.Linear(rank, linear.out_features, bias=False, **where)
        nn.init.zeros_(self.lora_B.weight)
        self.alpha, self.scale, self.dropout, self.active = alpha, alpha / rank, dropout, True

    def forward(self, x):
        y = self.base_layer(x)
        if not self.active:
            return y
        z = F.linear(F.dropout(x, self.dropout, self.training), self.lora_A.weight.to(x.dtype))        # (.., rank)
        return y + self.scale * F.linear(z, self.lora_B.weight.to(x.dtype))

    def merged(self):
        """W + alpha / rank * B A, in W's dtype (computed in fp32)."""
        W = self.base_layer.weight
        return (W.float() + self.scale * self.lora_B.weight @ self.lora_A.weight).to(W.dtype)


def add_lora(lm, rank, alpha=None, dropout=0.0, targets=LINEAR, seed=0):
    """Freeze lm and put adapters on its linear layers of these names, in place -> lm. alpha None: twice the rank."""
    lm.requires_grad_(False)
    rng = torch.Generator().manual_seed(seed)
    for block in lm.model["layers"]:
        for part in (block.self_attn, block.mlp):
            for name, linear in list(part.named_children()):
                if name in targets:
                    layer = LoRA(linear, rank, 2 * rank if alpha is None else alpha, dropout).train(linear.training)
                    A = torch.empty(layer.lora_A.weight.shape)                      # (rank, D), drawn on the CPU:
                    nn.init.kaiming_uniform_(A, a=math.sqrt(5), generator=rng)      # the same on every device
                    layer.lora_A.weight.data.copy_(A)
                    setattr(part, name, layer)
    return lm


def adapters(lm):
    """{name of the layer: LoRA} of all layers that have one."""
    return {name: layer for name, layer in lm.named_modules() if isinstance(layer, LoRA)}


def remove_lora(lm, merge=False):
    """Take the adapters off again, in place -> lm; merge: fold them into the weights first."""
    for name, layer in adapters(lm).items():
        if merge:
            layer.base_layer.weight.data = layer.merged()
        owner, _, child = name.rpartition(".")
        setattr(lm.get_submodule(owner), child, layer.base_layer)
    return lm


@contextmanager
def without_lora(lm):
    """Inside, lm is its own base model: under LoRA that needs no second copy."""
    layers = adapters(lm).values()
    for layer in layers:
        layer.active = False
    try:
        yield lm
    finally:
        for layer in layers:
            layer.active = True


# ---------------------------------------------------------------- sampling

@dataclass
class Completion:
    """What a model said: ids without the end token; finish_reason "end", or "length" when it was cut
    (s3ft.evaluate adds "too long": the prompt left no room)."""
    ids: list = field(default_factory=list)
    finish_reason: str = "length"
    logprob: float = 0.0    # of all sampled ids, end token included, at temperature 1


def noise(seed, row, steps):
    """One number in [0, 1) per step that depends on (seed, row, step) alone, not on a batch."""
    key = np.array([seed % 2**64, row % 2**64], dtype=np.uint64)
    draws = np.random.Generator(np.random.Philox(key=key)).random(steps)
    return np.floor(draws * 2**24) / 2**24      # 24 bits: exact in fp32


def pick(logits, u, temperature, top_k, top_p):
    """logits (B, V), one uniform number per row (B,) -> tokens (B,).

    The token is the first whose cumulative probability, in vocabulary order, exceeds u.
    """
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature
    if 0 < top_k < logits.size(-1):         # the k likeliest (more at a tie)
        logits = logits.masked_fill(logits < logits.topk(top_k).values[:, -1:], -torch.inf)
    probs = logits.softmax(-1)
    if top_p < 1:                           # the fewest likeliest that together reach top_p
        ranked = probs.sort(-1, descending=True).values
        kept = ranked.cumsum(-1) - ranked < top_p
        probs = probs.masked_fill(probs < ranked.masked_fill(~kept, 1).amin(-1, keepdim=True), 0)
    cumulative = probs.cumsum(-1).masked_fill(probs == 0, 0)
    return (cumulative > u[:, None] * cumulative.amax(-1, keepdim=True)).int().argmax(-1)


def logprob_of(logits, tokens):
    """log p of `tokens` (N,) under `logits` (N, V), in fp32 or better."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(-1)


def room(lm, prompt, max_new_tokens, temperature, top_k, top_p):
    """How many tokens may follow `prompt`: max_new_tokens or what the context leaves. ValueError if none."""
    context, vocabulary = lm.config.max_position_embeddings, lm.config.vocab_size
    if not (max_new_tokens >= 1 and 0 <= temperature < float("inf") and top_k >= 0 and 0 < top_p <= 1):
        raise ValueError(f"cannot sample with max_new_tokens {max_new_tokens}, temperature {temperature}, "
                         f"top_k {top_k}, top_p {top_p}; want >= 1, >= 0, >= 0 and in (0, 1]")
    if not 0 < len(prompt) < context:
        raise ValueError(f"a prompt of {len(prompt)} tokens; this model takes 1 to {context - 1}")
    if not 0 <= min(prompt) <= max(prompt) < vocabulary:
        raise ValueError(f"a prompt holds ids outside the vocabulary of {vocabulary}")
    return min(max_new_tokens, context - len(prompt))


@torch.inference_mode()
def generate_plain(lm, prompt, max_new_tokens, temperature=0.0, top_k=0, top_p=1.0, seed=0, row=0, end_ids=()):
    """Sample one answer the plain way: read everything again for every new token.

    This is what `generate` computes; read this one, run that one.
    """
    device = lm.model["embed_tokens"].weight.device
    answer = Completion()
    steps = room(lm, prompt, max_new_tokens, temperature, top_k, top_p)
    for u in noise(seed, row, steps):
        ids = torch.tensor([list(prompt) + answer.ids], device=device)     # (1, T)
        logits = lm(ids)[:, -1]                                            # (1, V): what comes next?
        u = torch.tensor([u], dtype=torch.float32, device=device)
        token = pick(logits[:, :lm.vocab_limit], u, temperature, top_k, top_p)      # (1,)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


SLOTS = 256         # rows that are decoded together; fewer where their keys and values
CACHE = 2**30       # would take more than this many bytes (on a GPU: than a quarter of its memory)
GPU_SHARE = 1 / 4
PREFILL = 8192      # padded prompt tokens that are read together, at most


def at_once(lm):
    """How many padded tokens to read together: PREFILL, but on a processor what the MLP makes of them must stay in its cache."""
    return min(PREFILL, 2**21 // lm.config.intermediate_size) if lm.model["embed_tokens"].weight.device.type == "cpu" else PREFILL


@torch.inference_mode()
def generate(lm, prompts, max_new_tokens, temperature=0.0, top_k=0, top_p=1.0, seed=0, rows=None, end_ids=(),
             progress=None):
    """Sample one answer per prompt (lists of ids) -> list of Completion, in the order of the prompts.

    rows: the numbers that name the prompts' noise, default 0, 1, ..; so a chunk of a larger set samples
    what the whole set would. progress: called with the number of newly finished rows.

    A batch has slots. Waiting prompts, longest first, are read together into free slots (`hidden` fills
    their keys and values); then every step feeds each live row its last token. A finished row leaves and
    the last one moves into its slot, so that slots 0 .. n-1 are the live ones; when a quarter of the
    slots is free, prompts come in until all are taken. Rows stand at different positions: `start` says where.
    """
    device = lm.model["embed_tokens"].weight.device
    rows = range(len(prompts)) if rows is None else rows
    limits = [room(lm, p, max_new_tokens, temperature, top_k, top_p) for p in prompts]
    uniform = [noise(seed, row, n if temperature else 0) for row, n in zip(rows, limits, strict=True)]
    answers = [Completion() for _ in prompts]
    end_ids = set(end_ids)

    waiting = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))    # taken from the end
    live, filling = [], True                                                # slot s decodes prompt live[s]
    length = max((len(p) + n for p, n in zip(prompts, limits)), default=1)
    memory = int(torch.cuda.get_device_properties(device).total_memory * GPU_SHARE) if device.type == "cuda" else CACHE
    slots = max(1, min(len(prompts), SLOTS, memory // lm.new_cache(1, length).nbytes))
    cache = lm.new_cache(slots, length)
    while waiting or live:
        n = len(live)
        filling = bool(waiting) and n < slots and (filling or n <= slots * 3 // 4)
        if filling:
            width = len(prompts[waiting[-1]])
            take = max(1, min(slots - n, at_once(lm) // width))
            new, waiting = waiting[-take:][::-1], waiting[:-take]
            live += new
            h = lm.hidden(pad([prompts[i] for i in new], device), cache[:, :, n:len(live)])
            h = h[range(len(new)), [len(prompts[i]) - 1 for i in new]]      # (new, D): the last of each prompt
        else:
            new = live
            last = torch.tensor([[answers[i].ids[-1]] for i in new], device=device)
            start = [len(prompts[i]) + len(answers[i].ids) - 1 for i in new]
            h = lm.hidden(last, cache[:, :, :n], start)[:, 0]               # (n, D)
        logits = lm.head(h)                                                 # (new, V)
        u = torch.tensor([uniform[i][len(answers[i].ids)] for i in new], dtype=torch.float32,
                         device=device) if temperature else None
        tokens = pick(logits[:, :lm.vocab_limit], u, temperature, top_k, top_p)
        logprobs = logprob_of(logits, tokens).tolist()
        finished = set()
        for i, token, logprob in zip(new, tokens.tolist(), logprobs):
            answers[i].logprob += logprob
            if token in end_ids:
                answers[i].finish_reason = "end"
                finished.add(i)
            else:
                answers[i].ids.append(token)
                if len(answers[i].ids) == limits[i]:
                    finished.add(i)
        if finished:
            n = len(live) - len(finished)
            gaps = [s for s in range(n) if live[s] in finished]
            moved = [s for s in range(n, len(live)) if live[s] not in finished]
            if gaps:
                cache[:, :, gaps] = cache[:, :, moved]
            for gap, s in zip(gaps, moved):
                live[gap] = live[s]
            del live[n:]
            if progress:
                progress(len(finished))
    return answers


def pad(rows, device, multiple=1):
    """Lists of ids -> one tensor (B, longest or the next multiple), padded on the right with 0 (never looked at)."""
    width = -(-max(map(len, rows)) // multiple) * multiple
    return torch.tensor([list(row) + [0] * (width - len(row)) for row in rows], device=device)


# ---------------------------------------------------------------- scores

def by_length(lengths, budget, rows=math.inf):
    """Cut the indices of `lengths`, sorted by length, into batches of at most `budget` padded tokens and so many rows, none of them
    much longer than the shortest beside it."""
    batches = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not batches or (len(batches[-1]) + 1) * lengths[i] > budget or len(batches[-1]) >= rows \
                or lengths[i] > 1.3 * lengths[batches[-1][0]] + 8:
            batches.append([])
        batches[-1].append(i)
    return batches


WIDTHS = 4          # batches are padded to a multiple of this: a processor compiles its kernels for each width


@torch.inference_mode()
def loglikelihood(lm, prompts, continuations, progress=None):
    """log p(continuation | prompt) in nats, summed over the continuation's tokens, for lists of ids.

    What rows have in common at the beginning (five examples, a passage, a question with several answers) is read once, and
    its keys and values serve them all; answers of one token cost nothing beside their prompt. A prompt that does not fit the
    context with its continuation loses tokens on the left, as in lm-eval. ValueError for an empty prompt.
    progress: called with the number of newly scored continuations.
    """
    scores = [0.0] * len(prompts)
    nodes = prefixes.tree(prompts, continuations, lm.config.max_position_embeddings)
    read_tree(lm, nodes, scores, progress)
    if progress and (empty := sum(not c for c in continuations)):
        progress(empty)
    return scores


def read_tree(lm, nodes, scores, progress=None, parents=None):
    """Read sibling nodes in batches, each with what follows it before the next; parents: the cache (.., rows, ..) that holds
    what stands before them. A batch is bounded by its tokens, and by the memory of its rows' keys and values."""
    device = lm.model["embed_tokens"].weight.device
    row = lm.new_cache(1, max((n.start + len(n.ids) for n in nodes), default=0)).nbytes if parents is not None else 0
    memory = torch.cuda.get_device_properties(device).total_memory * GPU_SHARE if device.type == "cuda" else CACHE
    for part in by_length([len(n.ids) for n in nodes], at_once(lm), max(1, int(memory / 4 / max(1, row)))):
        batch = [nodes[i] for i in part]
        start = [n.start for n in batch]
        ids = pad([n.ids for n in batch], device, WIDTHS)                   # (B, T)
        cache = None
        if parents is not None or any(n.children for n in batch):
            cache = lm.new_cache(len(batch), max(start) + ids.size(1))
        if parents is not None:
            cache[..., :max(start), :] = parents[:, :, [n.parent for n in batch], :, :max(start)]
        h = lm.hidden(ids, cache, None if parents is None else start)       # (B, T, D)
        spots = list(dict.fromkeys((b, t) for b, n in enumerate(batch) for t, _, _ in n.targets))
        spot = {place: i for i, place in enumerate(spots)}
        add_logprobs(lm, h[[b for b, _ in spots], [t for _, t in spots]],
                     [(spot[b, t], token, item) for b, n in enumerate(batch) for t, token, item in n.targets], scores)
        if progress:
            progress(sum(n.ends for n in batch))
        children = []
        for b, n in enumerate(batch):
            for child in n.children:
                child.parent = b
                children.append(child)
        if children:
            read_tree(lm, children, scores, progress, cache)


def add_logprobs(lm, h, targets, scores):
    """Add log p of each target (row of h, token, item), predicted by its row of h (N, D), to the item's score."""
    step, by_row = max(1, 2**24 // lm.config.vocab_size), {}                # bounds the logits to 64 MiB in fp32
    for row, token, item in targets:
        by_row.setdefault(row // step, []).append((row % step, token, item))
    for number, part in by_row.items():
        logits = lm.head(h[number * step:(number + 1) * step])              # (n, V)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        rows, tokens, items = zip(*part)
        values = logits[list(rows), list(tokens)] - logits.logsumexp(-1)[list(rows)]
        for item, value in zip(items, values.tolist()):
            scores[item] += value


def head_loss(lm, h, ids):
    """Summed cross-entropy (nats) of ids (N,) predicted from hidden states h (N, D), to be trained on.

    A vocabulary of 50,000 to 150,000 makes logits the largest thing there is. So only a few rows of them exist at a time:
    they are forgotten and computed again in the backward pass (a few per cent slower, gigabytes smaller).
    """
    def loss(h, ids):
        return F.cross_entropy(lm.head(h).float(), ids, reduction="sum")
    step = max(1, 2**24 // lm.config.vocab_size)        # 64 MiB of logits in fp32
    if len(h) <= step:
        return loss(h, ids)
    return sum(torch.utils.checkpoint.checkpoint(loss, h[a:a + step], ids[a:a + step], use_reentrant=False)
               for a in range(0, len(h), step))


# ---------------------------------------------------------------- load and save

def load(path, device=None, dtype=None, merge=True, thinking=False):
    """Open a checkpoint -> (lm, tokenizer).

    path: a folder in Hugging Face layout, a hub id (owner/name, owner/name@revision), or a folder with a LoRA adapter
    in PEFT's format, which names its base; merge: fold the adapter into the weights.
    device None: cuda if there is one, else cpu. dtype None: the file's. thinking: let models that can think aloud do it.
    LoadError, one line, for everything that is missing, cut, unknown or does not fit.
    """
    folder, _ = hub.find(path)
    adapter = checkpoint.read_adapter(folder) if (folder / "adapter_config.json").is_file() else None
    if adapter:
        folder, _ = hub.find(adapter.base)
        if (folder / "adapter_config.json").is_file():
            raise LoadError(f"{path}: is an adapter on an adapter ({folder}); open {path}/merged instead")
    device = usable(device)
    config = Config.from_dict(read_json(folder / "config.json"), folder / "config.json")
    tokenizer = Tokenizer(folder, thinking)
    checkpoint.check_vocabulary(tokenizer, config.vocab_size)
    with torch.device("meta"):      # shapes and names without memory
        lm = Transformer(config)
    shapes = {name: t.shape for name, t in lm.state_dict().items()}
    lm.load_state_dict(checkpoint.read_weights(folder, shapes, device, dtype, config.tie_word_embeddings), assign=True)
    lm.vocab_limit = min(tokenizer.size, config.vocab_size)
    if adapter:
        for name, (A, B) in checkpoint.read_adapter_weights(adapter, dict(lm.named_modules())).items():
            owner, _, child = name.rpartition(".")
            layer = LoRA(lm.get_submodule(name), len(A), adapter.alpha, adapter.dropout)
            layer.lora_A.weight.data.copy_(A)
            layer.lora_B.weight.data.copy_(B)
            setattr(lm.get_submodule(owner), child, layer)
        if merge:
            remove_lora(lm, merge=True)
    return lm.eval(), tokenizer


def save(lm, tokenizer, path, dtype=None):
    """Write a folder that `load`, transformers and vLLM open, adapters folded in; a kill leaves no half-written file.

    dtype: what to store the weights in; None as they are.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    weights = {name.replace(".base_layer", ""): t.detach() for name, t in lm.state_dict().items() if ".lora_" not in name}
    weights |= {f"{name}.weight": layer.merged().detach() for name, layer in adapters(lm).items()}
    weights = {name: t.to("cpu", dtype or t.dtype).contiguous() for name, t in weights.items()}
    stored = str(weights["model.embed_tokens.weight"].dtype).removeprefix("torch.")
    ends = {"eos_token_id": tokenizer.end_ids}
    tokenizer.save(path)
    generation = json.loads(tokenizer.files.get("generation_config.json", b"{}")) | ends        # transformers and vLLM believe it first
    write_atomic(path / "generation_config.json", json.dumps(generation, indent=2).encode() + b"\n")
    config = {k: v for k, v in lm.config.to_dict().items() if k not in ("dtype", "torch_dtype")} | {"torch_dtype": stored} | ends
    write_atomic(path / "config.json", json.dumps(config, indent=2).encode() + b"\n")
    checkpoint.write_tensors(path / "model.safetensors", weights)


def save_adapter(lm, path, base):
    """Write lm's LoRA layers as PEFT does; base: the folder or hub id that PEFT, and `load`, will look for."""
    layers = adapters(lm)
    some = next(iter(layers.values()))
    checkpoint.write_adapter(path, base, {n: (x.lora_A.weight, x.lora_B.weight) for n, x in layers.items()}, some.alpha, some.dropout)
