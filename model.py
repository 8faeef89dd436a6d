"""A Llama-style language model: its layers, sampling, log-likelihoods, loading and saving.

    import model
    lm, tokenizer = model.load("data/tiny")
    prompt = tokenizer.encode_chat([{"role": "user", "content": "Hello"}])
    answer = model.generate(lm, [prompt], 40, end_ids=tokenizer.end_ids)[0]
    print(tokenizer.decode(answer.ids))

Names of weights are those of transformers' LlamaForCausalLM: `load` opens public checkpoints, and
transformers opens what `save` writes. Two slow, simple functions say what is computed:
`generate_plain` and `loglikelihood_plain`. `generate` and `loglikelihood` compute the same for many
rows at once, and the tests compare them. Prompts and answers are lists of token ids.

Letters in shapes: B rows, T positions, S positions in a cache, D hidden size, H query heads,
G key-value heads, E size of a head, V vocabulary, N positions picked out, M different prompts.
"""
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from torch import nn

from data.checkpoints import hub, read_model_json
from data.checkpoints.chat import Tokenizer
from data.checkpoints.config import Config
from data.checkpoints.device import precision, usable  # noqa: F401  (callers use model.precision)
from data.checkpoints.lora import (  # noqa: F401  (callers use model.add_lora and so on)
    LINEAR, LoRA, adapters, add_lora, load_lora, remove_lora, save_adapter, without_lora)
from data.checkpoints.weights import NoRandomWeights, has_own_head, read_weights, write_model
from data.fast import prefixes
from data.fast.prefixes import in_fp32, pad       # bf16 and fp16 as fp32; lists as a rectangle

# How much is computed at once. It changes speed and memory, and results only by rounding. All but
# the last are multiplied by `Transformer.batch_share`, which is halved when memory runs out.
SLOTS = 256                 # rows sampled together: a step reads all weights once for all of them
TOKENS_AT_ONCE = 8192       # padded tokens of prompts read together: enough to keep a GPU busy
CPU_MLP_NUMBERS = 2**21     # on a CPU: tokens read together times the MLP's width, for its L2
CACHE_BYTES = 2**30         # keys and values of a batch on a CPU: 1 GiB, which every laptop has
GPU_CACHE_SHARE = 1 / 4     # on a GPU: this share of its memory; weights and logits need the rest
LOGITS_AT_ONCE = 2**24      # positions times the vocabulary: 64 MiB of logits in fp32


# ---------------------------------------------------------------- padding, positions, cache
#
# A batch is a rectangle, but its rows are unequal. They are padded on the RIGHT, with any id:
#
#     position    0    1    2    3    4
#     row 0       P0   P1   P2   0    0        every row begins at position 0
#     row 1       Q0   Q1   Q2   Q3   Q4
#
# - Attention is causal: a position sees itself and those before it. So no token of a row sees its
#   padding, no mask is needed for it, and what comes out there is not looked at. Padding on the
#   left would need a mask, and a first position for every row.
# - Training and KL pass texts one after another in one row of ids, with their `lengths`: each
#   begins at position 0 and sees itself alone, so none of them is padded.
# - In a layer with a window of w, a position sees only w positions: itself and the w - 1 before it.
#
# A cache keeps the keys and values of what was read, so that later only what is new has to be read:
#
#     hidden(ids, cache)            reads whole rows and copies their keys and values into the cache
#     hidden(ids, cache, start)     reads on: ids[b] stand at positions start[b], start[b] + 1, ..
#                                   and see in the cache what was read before
#
#     position    0    1    2    3    4    5
#     row 0       P0   P1   P2   a    0             start 3: `a` takes the place of the padding
#     row 1       Q0   Q1   Q2   Q3   Q4   b        start 5
#
# Here `a` sees positions 0 to 3. The 0 at position 4 comes after it, and the token after `a` takes
# its place before anything sees it: padding in the cache is as harmless, for the same reason.


def rope_table(positions, config):
    """Cosine and sine of the angle of every position and channel: each (B or 1, 1, T, E).

    Channel i and its partner i + E/2 turn by position * theta^(-2i/E). A model that was stretched
    to longer texts turns more slowly: a frequency f becomes f / factor ("linear"), or a part of it
    is kept: kept * f + (1 - kept) * f / factor. Kept falls evenly from 1 to 0: in "llama3" from
    `high_freq_factor` to `low_freq_factor` turns in the original context, in "yarn" from pair
    `first` to pair `last`, and there queries and keys grow by `attention_factor`.
    """
    channels = torch.arange(0, config.head_dim, 2, device=positions.device, dtype=torch.float32)
    frequencies = 1 / config.rope_theta ** (channels / config.head_dim)     # (E/2,), radians
    stretch = config.rope_scaling or {}
    if stretch.get("rope_type") == "linear":
        frequencies = frequencies / stretch["factor"]
    elif stretch.get("rope_type") == "llama3":
        low = stretch["low_freq_factor"]
        high = stretch["high_freq_factor"]
        turns = stretch["original_max_position_embeddings"] * frequencies / (2 * math.pi)
        kept = ((turns - low) / (high - low)).clamp(0, 1)
        frequencies = frequencies * (kept + (1 - kept) / stretch["factor"])
    elif stretch.get("rope_type") == "yarn":
        width = stretch["last"] - stretch["first"]
        kept = ((stretch["last"] - channels / 2) / width).clamp(0, 1)
        frequencies = frequencies * (kept + (1 - kept) / stretch["factor"])
    angles = positions[:, None, :, None].float() * frequencies              # (B, 1, T, E/2)
    angles = torch.cat((angles, angles), -1)                                # (B, 1, T, E)
    growth = stretch.get("attention_factor", 1.0)
    return angles.cos() * growth, angles.sin() * growth


def attention_masks(windows, positions, seen, whole_rows):
    """What each position sees, for each window: {window: mask (B or 1, 1, T, seen) or None}.

    positions (B or 1, T): of the queries; those of the keys are 0 to seen - 1. None: "causal", for
    which torch is faster without a mask.
    """
    masks = {}
    for window in set(windows):
        sees_all = window is None or window >= seen
        if sees_all and whole_rows:
            masks[window] = None
            continue
        keys = torch.arange(seen, device=positions.device)      # (seen,)
        back = positions[:, None, :, None] - keys       # (B or 1, 1, T, seen): how far back it is
        masks[window] = back >= 0
        if not sees_all:
            masks[window] &= back < window
    return masks


# ---------------------------------------------------------------- layers

class RMSNorm(nn.Module):
    """x / rms(x), in fp32, since bf16's 8 bits are too few for a sum of squares; then * weight."""

    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        h = F.rms_norm(in_fp32(x), x.shape[-1:], eps=self.eps)
        return self.weight * h.to(x.dtype)


def rotate(x, rope):
    """Turn each pair of channels i, i + E/2 of x (B, heads, T, E) by the angle of its position."""
    cos, sin = rope
    first, second = x.chunk(2, -1)
    return x * cos.to(x.dtype) + torch.cat((-second, first), -1) * sin.to(x.dtype)


class Attention(nn.Module):
    """Causal self-attention in which each of G key-value heads serves H / G query heads."""

    def __init__(self, c):
        super().__init__()
        self.head_dim = c.head_dim
        self.q_proj = nn.Linear(c.hidden_size, c.num_attention_heads * c.head_dim, bias=c.qkv_bias)
        self.k_proj = nn.Linear(c.hidden_size, c.num_key_value_heads * c.head_dim, bias=c.qkv_bias)
        self.v_proj = nn.Linear(c.hidden_size, c.num_key_value_heads * c.head_dim, bias=c.qkv_bias)
        self.o_proj = nn.Linear(c.num_attention_heads * c.head_dim, c.hidden_size, bias=c.o_bias)
        self.q_norm = RMSNorm(c.head_dim, c.rms_norm_eps) if c.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(c.head_dim, c.rms_norm_eps) if c.qk_norm else nn.Identity()

    def forward(self, x, rope, mask, cache, positions, lengths):
        """x (B, T, D) -> (B, T, D). rope, mask: from `rope_table`, `attention_masks`.

        cache (2, B, G, S, E): keys and values of this layer, or None. positions (B, T): of x, to
        read on; None for whole rows. lengths: of the texts in each row of x, [T] for one.
        """
        B, T, _ = x.shape
        by_head = (B, T, -1, self.head_dim)
        q = self.q_proj(x).view(by_head).transpose(1, 2)                    # (B, H, T, E)
        k = self.k_proj(x).view(by_head).transpose(1, 2)                    # (B, G, T, E)
        v = self.v_proj(x).view(by_head).transpose(1, 2)                    # (B, G, T, E)
        q = self.q_norm(q)
        k = self.k_norm(k)
        if rope is not None:                    # None: a layer without rotation, as in smollm3
            q = rotate(q, rope)
            k = rotate(k, rope)
        if positions is None:
            out = self.read_whole_rows(q, k, v, mask, cache, lengths)
        else:
            out = self.read_on(q, k, v, mask, cache, positions)
        return self.o_proj(out.transpose(1, 2).flatten(2))                  # out was (B, H, T, E)

    def read_whole_rows(self, q, k, v, mask, cache, lengths):
        """Attention over whole texts, one by one. The cache gets a copy. mask: of the longest."""
        if cache is not None:
            cache[0, :, :, :k.size(2)] = k
            cache[1, :, :, :v.size(2)] = v
        out = []
        texts = zip(lengths, q.split(lengths, 2), k.split(lengths, 2), v.split(lengths, 2))
        for length, own_q, own_k, own_v in texts:
            own_mask = None if mask is None else mask[:, :, :length, :length]
            out.append(F.scaled_dot_product_attention(own_q, own_k, own_v, attn_mask=own_mask,
                                                      enable_gqa=True, is_causal=mask is None))
        return torch.cat(out, 2)

    def read_on(self, q, k, v, mask, cache, positions):
        """Attention with a cache: put the new keys at their positions there, then look at all."""
        B, H, T, E = q.shape
        G = k.size(1)
        S = mask.size(-1)                           # not the whole cache: up to the longest row
        rows = torch.arange(B, device=q.device)[:, None]                    # (B, 1)
        cache[0][rows, :, positions] = k.transpose(1, 2)                    # (B, T, G, E)
        cache[1][rows, :, positions] = v.transpose(1, 2)
        k = cache[0, :, :, :S]                                              # (B, G, S, E)
        v = cache[1, :, :, :S]
        if T > 1:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
        # One token a row, as in sampling, so it must be fast. The H / G query heads that share a
        # key-value head are passed as H / G positions of one head: with 8 query and 2 key-value
        # heads q (B, 8, 1, E) becomes (B, 2, 4, E). Then torch does not copy keys and values.
        q = q.reshape(B, G, H // G, E)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)       # (B, G, H / G, E)
        return out.reshape(B, H, 1, E)          # on a GPU its heads may lie apart in memory


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
        """x (B, T, D) -> (B, T, D). attention: what `Attention` takes beside x."""
        x = x + self.self_attn(self.input_layernorm(x), *attention)
        return x + self.mlp(self.post_attention_layernorm(x))


class Transformer(nn.Module):
    """The model: token ids in, logits out."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.vocab_limit = config.vocab_size    # only ids below are sampled (`load` may lower it)
        self.checkpointing = False              # True: train in less memory, in a third more time
        self.batch_share = 1.0                  # of the limits at the top of this file
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(config.vocab_size, config.hidden_size),
            "layers": nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers)),
            "norm": RMSNorm(config.hidden_size, config.rms_norm_eps),
        })
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, ids):
        """ids (B, T) -> logits (B, T, V); those at position t predict the id at t + 1."""
        return self.head(self.hidden(ids))

    def hidden(self, ids, cache=None, start=None, lengths=None):
        """ids (B, T) -> hidden states after the final norm (B, T, D).

        cache: from `new_cache`, filled on the way. start: the first position of each row, to read
        on; None: ids are whole rows. lengths: of the texts one behind another in each row of ids;
        None: each row is one. See "padding, positions, cache" above.
        """
        T = ids.size(1)
        lengths = lengths or [T]
        windows = self.config.windows
        if start is None:
            longest = torch.arange(max(lengths), device=ids.device)[None]
            masks = attention_masks(windows, longest, max(lengths), whole_rows=True)
            positions = torch.cat([longest[:, :length] for length in lengths], 1)   # (1, T)
        else:
            first = torch.tensor(start, device=ids.device)[:, None]                 # (B, 1)
            positions = first + torch.arange(T, device=ids.device)                  # (B, T)
            masks = attention_masks(windows, positions, max(start) + T, whole_rows=False)
        rope = rope_table(positions, self.config)
        cache_positions = None if start is None else positions
        x = self.model["embed_tokens"](ids)                                 # (B, T, D)
        for number, block in enumerate(self.model["layers"]):
            turn = rope if self.config.rotary_layers[number] else None
            own_cache = None if cache is None else cache[number]
            attention = (turn, masks[windows[number]], own_cache, cache_positions, lengths)
            if self.checkpointing and torch.is_grad_enabled():
                # forget what is inside the block, and compute it again in the backward pass
                x = torch.utils.checkpoint.checkpoint(block, x, *attention, use_reentrant=False)
            else:
                x = block(x, *attention)
        return self.model["norm"](x)

    def head(self, h):
        """Hidden states (.., D) -> logits (.., V)."""
        layer = self.model["embed_tokens"] if self.config.tie_word_embeddings else self.lm_head
        return F.linear(h, layer.weight)

    def new_cache(self, rows, length):
        """Room for keys and values of every layer: (layers, 2, rows, G, length, E)."""
        c = self.config
        shape = (c.num_hidden_layers, 2, rows, c.num_key_value_heads, length, c.head_dim)
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    @property
    def dtype(self):
        return self.model["embed_tokens"].weight.dtype

    @property
    def device(self):
        return self.model["embed_tokens"].weight.device

    def tokens_at_once(self):
        """How many padded tokens are read together."""
        limit = TOKENS_AT_ONCE
        if self.device.type == "cpu":
            limit = min(limit, CPU_MLP_NUMBERS // self.config.intermediate_size)
        return int(limit * self.batch_share)

    def cache_bytes(self):
        """How many bytes the keys and values of a batch may take."""
        limit = CACHE_BYTES
        if self.device.type == "cuda":
            limit = torch.cuda.get_device_properties(self.device).total_memory * GPU_CACHE_SHARE
        return int(limit * self.batch_share)

    def logit_rows(self):
        """How many positions may have logits at a time."""
        return max(1, LOGITS_AT_ONCE // self.config.vocab_size)


# ---------------------------------------------------------------- sampling: the plain loop

@dataclass
class Completion:
    """A sampled answer."""
    ids: list = field(default_factory=list)     # without the end token
    finish_reason: str = "length"               # "end" or "length" (cut off); s3ft.py has a third
    logprob: float = 0.0        # in nats, of these ids and the end token, at temperature 1


def noise(seed, row, steps):
    """One number in [0, 1) for each step. It depends on (seed, row, step) alone, not on a batch.

    It has fp32's 24 bits, so it never rounds up to 1, where `pick` would find no piece of the line.
    """
    key = np.array([seed % 2**64, row % 2**64], dtype=np.uint64)
    draws = np.random.Generator(np.random.Philox(key=key)).random(steps)    # a stream for each key
    return np.floor(draws * 2**24) / 2**24


def pick(logits, u, temperature):
    """logits (B, V), one uniform number for each row (B,) -> tokens (B,).

    The probabilities cut the line from 0 to 1 into pieces: with 0.2, 0.5 and 0.3 they end at 0.2,
    0.7 and 1.0. The token in whose piece u lies is picked; one of probability 0 has an empty piece
    and never is. Temperature 0 picks the likeliest.
    """
    if temperature == 0:
        return logits.argmax(-1)
    probs = (in_fp32(logits) / temperature).softmax(-1)
    # A GPU's sums in fp32 do not quite ascend, hence fp64. The last one is about 1, so u is scaled.
    ends = probs.cumsum(-1, dtype=torch.float64 if probs.is_cuda else None)
    first_beyond = torch.searchsorted(ends, u[:, None] * ends[:, -1:], right=True)[:, 0]
    return first_beyond.clamp(max=ends.size(-1) - 1)       # of NaN: the last id (fp16 may overflow)


def logprob_of(logits, tokens):
    """log p of `tokens` (N,) under `logits` (N, V): (N,), in nats. bf16 would round it by 0.03."""
    logits = in_fp32(logits)
    return logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(-1)


def room(lm, prompt, max_new_tokens, temperature):
    """How many tokens may follow prompt: max_new_tokens, or fewer if the context has no room.

    ValueError for what cannot be sampled.
    """
    context = lm.config.max_position_embeddings
    vocabulary = lm.config.vocab_size
    if not (max_new_tokens >= 1 and 0 <= temperature < math.inf):
        raise ValueError(f"cannot sample with max_new_tokens {max_new_tokens}, temperature "
                         f"{temperature}; want at least 1, and at least 0")
    if not 0 < len(prompt) < context:
        raise ValueError(f"a prompt of {len(prompt)} tokens; this model takes 1 to {context - 1}")
    if not 0 <= min(prompt) <= max(prompt) < vocabulary:
        raise ValueError(f"a prompt holds ids outside the vocabulary of {vocabulary}")
    return min(max_new_tokens, context - len(prompt))


@torch.inference_mode()
def generate_plain(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0, end_ids=()):
    """Sample one answer the plain way: read everything again for every new token."""
    answer = Completion()
    steps = room(lm, prompt, max_new_tokens, temperature)
    for number in noise(seed, row, steps):                      # one step a new token
        ids = torch.tensor([list(prompt) + answer.ids], device=lm.device)       # (1, T)
        logits = lm(ids)[:, -1]                                 # (1, V): what comes next?
        u = torch.tensor([number], dtype=torch.float32, device=lm.device)       # (1,)
        token = pick(logits[:, :lm.vocab_limit], u, temperature)                # (1,)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


# ---------------------------------------------------------------- sampling: many rows at once

@torch.inference_mode()
def generate(lm, prompts, max_new_tokens, temperature=0.0, seed=0, noise_rows=None, end_ids=(),
             progress=None):
    """Sample one answer for each prompt (a list of ids) -> list of Completion, in the same order.

    noise_rows: the prompts' numbers in `noise`, by default 0, 1, ..; a prompt that keeps its number
    gets the same random numbers in any batch. end_ids: tokens that end an answer. progress:
    called with the number of newly finished answers. ValueError for what cannot be sampled.
    """
    if noise_rows is None:
        noise_rows = range(len(prompts))
    requests = []
    for prompt, row in zip(prompts, noise_rows, strict=True):
        limit = room(lm, prompt, max_new_tokens, temperature)
        requests.append(Request(prompt, limit, noise(seed, row, limit if temperature else 0)))

    batch = Batch(lm, requests)
    while batch.waiting or batch.live:
        if batch.waiting and batch.filling:
            current, hidden = batch.admit()
        else:
            current, hidden = batch.decode()
        sample(lm, current, hidden, temperature, end_ids)
        finished = batch.retire()
        if finished and progress:
            progress(finished)
    return [request.answer for request in requests]


@dataclass
class Request:
    """A prompt on its way to its answer."""
    prompt: list
    limit: int                  # of new tokens
    noise: np.ndarray           # one number for each of them; empty for temperature 0
    answer: Completion = field(default_factory=Completion)
    done: bool = False


class Batch:
    """Requests that are answered together, in the slots of one cache.

    The n live requests are in slots 0 .. n - 1. A step gives each one token, or reads new prompts
    and gives these their first. A finished request leaves, and the last one moves into its slot.
    Reading holds up the others, so it waits until a quarter of the slots is free, and then fills
    them all, the longest prompts first: those read together are of similar length, or equal.
    """

    def __init__(self, lm, requests):
        self.lm = lm
        self.waiting = sorted(requests, key=lambda one: (len(one.prompt), tuple(one.prompt)))
        self.live = []                  # slot s holds live[s]
        self.filling = True             # whether prompts are read next, while there are any
        length = max((len(request.prompt) + request.limit for request in requests), default=1)
        fitting = lm.cache_bytes() // lm.new_cache(1, length).nbytes
        self.slots = max(1, min(len(requests), int(SLOTS * lm.batch_share), fitting))
        self.cache = lm.new_cache(self.slots, length)           # (layers, 2, slots, G, length, E)

    def admit(self):
        """Read waiting prompts into free slots -> (these requests, hidden states (N, D))."""
        taken = len(self.live)
        width = len(self.waiting[-1].prompt)
        count = min(self.slots - taken, self.lm.tokens_at_once() // width, len(self.waiting))
        new = [self.waiting.pop() for _ in range(max(1, count))]
        self.live += new
        # A prompt with several answers is read once, and its keys and values are copied.
        prompts = [tuple(request.prompt) for request in new]
        distinct = list(dict.fromkeys(prompts))
        rows = [distinct.index(prompt) for prompt in prompts]
        self.cache[:, :, taken:len(self.live)] = 0      # a mask does not stop an old NaN: 0 * NaN
        cache = self.cache[:, :, taken:len(self.live), :, :width]
        ids = pad(distinct, self.lm.device)                                     # (M, T)
        hidden = self.lm.hidden(ids, cache[:, :, :len(distinct)])               # (M, T, D)
        if len(distinct) < len(new):
            cache.copy_(cache[:, :, rows])
        ends = [len(prompt) - 1 for prompt in prompts]
        return new, hidden[rows, ends]                          # the last position of each prompt

    def decode(self):
        """Read the newest token of every live request -> (these requests, hidden states (N, D))."""
        newest = [[request.answer.ids[-1]] for request in self.live]
        start = [len(request.prompt) + len(request.answer.ids) - 1 for request in self.live]
        ids = torch.tensor(newest, device=self.lm.device)                       # (N, 1)
        hidden = self.lm.hidden(ids, self.cache[:, :, :len(self.live)], start)  # (N, 1, D)
        return self.live, hidden[:, 0]

    def retire(self):
        """Let finished requests go, close the gaps that they leave -> how many went."""
        before = len(self.live)
        left = sum(not request.done for request in self.live)
        gaps = [slot for slot in range(left) if self.live[slot].done]
        movers = [slot for slot in range(left, before) if not self.live[slot].done]
        if gaps:
            self.cache[:, :, gaps] = self.cache[:, :, movers]
        for gap, mover in zip(gaps, movers):
            self.live[gap] = self.live[mover]
        del self.live[left:]

        if left <= self.slots * 3 // 4:
            self.filling = True
        elif left == self.slots:
            self.filling = False
        return before - left


def sample(lm, requests, hidden, temperature, end_ids):
    """Give each request the token that follows its hidden state, a row of hidden (N, D)."""
    u = None
    if temperature:
        numbers = [request.noise[len(request.answer.ids)] for request in requests]
        u = torch.tensor(numbers, dtype=torch.float32, device=lm.device)        # (N,)
    logits = lm.head(hidden)                                                    # (N, V)
    tokens = pick(logits[:, :lm.vocab_limit], u, temperature)                   # (N,)
    logprobs = logprob_of(logits, tokens)
    for request, token, logprob in zip(requests, tokens.tolist(), logprobs.tolist()):
        answer = request.answer
        answer.logprob += logprob
        if token in end_ids:
            answer.finish_reason = "end"
            request.done = True
        else:
            answer.ids.append(token)
            request.done = len(answer.ids) == request.limit


# ---------------------------------------------------------------- scores

@torch.inference_mode()
def loglikelihood_plain(lm, prompt, continuation):
    """log p(continuation | prompt) in nats, summed over the continuation's tokens: the plain way.

    The last token is only predicted, never an input, so context + 1 tokens fit. A longer prompt
    loses tokens on the left, as in lm-eval. ValueError for an empty prompt or a continuation longer
    than the context.
    """
    context = lm.config.max_position_embeddings
    if not prompt or len(continuation) > context:
        raise ValueError(f"prompt of {len(prompt)}, continuation of {len(continuation)} tokens; "
                         f"want at least 1, and at most {context}")
    if not continuation:
        return 0.0
    ids = (list(prompt) + list(continuation))[-context - 1:]
    first = len(ids) - len(continuation)                        # of the scored tokens
    logits = lm(torch.tensor([ids[:-1]], device=lm.device))[0]  # (T, V)
    predicting = logits[first - 1:]                             # (N, V): t predicts token t + 1
    scored = torch.tensor(ids[first:], device=lm.device)        # (N,)
    return logprob_of(predicting, scored).sum().item()


@torch.inference_mode()
def loglikelihood(lm, prompts, continuations, progress=None):
    """`loglikelihood_plain` of each pair -> a list of floats.

    What rows have in common at the beginning, as a question with several answers, is read once:
    data/fast/prefixes.py reads a tree of the rows. progress: called with the number of newly scored
    continuations.
    """
    nodes = prefixes.tree(prompts, continuations, lm.config.max_position_embeddings)
    logprobs = [[] for _ in prompts]                    # of each token of a continuation
    prefixes.read(lm, nodes, logprobs, progress)
    empty = sum(not continuation for continuation in continuations)     # these stay 0
    if empty and progress:
        progress(empty)
    return [sum(its_own, 0.0) for its_own in logprobs]


def head_loss(lm, h, ids, weights, loss):
    """loss(logits, ids, weights), summed over ids (N,) that hidden states h (N, D) predict.

    Logits for all N would be the largest thing in memory. So the head is applied to a few rows at a
    time, and their logits are computed again in the backward pass: slower by a few per cent.
    """
    def loss_of(h, ids, weights):
        return loss(lm.head(h).float(), ids, weights)

    rows = lm.logit_rows()
    if len(h) <= rows:
        return loss_of(h, ids, weights)
    total = 0.0
    for part in zip(h.split(rows), ids.split(rows), weights.split(rows)):
        total = total + torch.utils.checkpoint.checkpoint(loss_of, *part, use_reentrant=False)
    return total


# ---------------------------------------------------------------- load and save

def open_without_weights(path, thinking=False):
    """`load` without weights -> (lm of mere shapes, tokenizer, their folder, Adapter or None)."""
    folder, adapter = hub.find_model(path)
    file = folder / "config.json"
    config = Config.from_dict(read_model_json(file), file)
    tokenizer = Tokenizer(folder, thinking, adapter, config.vocab_size)
    tokenizer.check_model(config.vocab_size)
    if config.tie_word_embeddings and has_own_head(folder):     # then it is used
        config = Config.from_dict(config.source | {"tie_word_embeddings": False}, file)
    with torch.device("meta"), NoRandomWeights():
        lm = Transformer(config)
    lm.vocab_limit = tokenizer.size         # some models have spare rows
    return lm, tokenizer, folder, adapter


def load(path, device=None, dtype=None, merge=True, thinking=False):
    """Open a checkpoint -> (lm, tokenizer).

    path: a folder in Hugging Face layout; or a hub id, owner/name or owner/name@revision; or a
    folder with a LoRA adapter in PEFT's format, which names its base and may bring a tokenizer of
    its own. device None: cuda if there is one, else cpu. dtype None: the file's. merge: fold an
    adapter into the weights. thinking: let a model that can think aloud do it. LoadError, one line,
    for what is missing, cut, unknown or does not fit.
    """
    device = usable(device)
    lm, tokenizer, folder, adapter = open_without_weights(path, thinking)
    # Not stored in a variable: that would keep the file's weights in memory after a merge.
    lm.load_state_dict(read_weights(folder, lm, device, dtype), assign=True)
    if adapter:
        load_lora(lm, adapter)
        if merge:
            remove_lora(lm, merge=True)
    return lm.eval(), tokenizer


def save(lm, tokenizer, path, dtype=None):
    """Write a folder that `load`, transformers and vLLM open, adapters folded in.

    dtype: what to store the weights in; None: as they are.
    """
    weights = {}
    for name, tensor in lm.state_dict().items():
        if ".lora_" not in name:
            weights[name.replace(".base_layer", "")] = tensor
    for name, layer in adapters(lm).items():
        weights[f"{name}.weight"] = layer.merged().detach().cpu()    # a GPU may not hold two of all
    write_model(Path(path), weights, dtype, lm.config.to_dict(), tokenizer)
