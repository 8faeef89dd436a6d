"""Probes of lab 4: the sampling loop."""
from types import SimpleNamespace

import torch

from probes import Probe


# ---------------------------------------------------------------- pick

def picked(model, logits, u, temperature):
    numbers = torch.tensor(u, dtype=torch.float32)
    return model.pick(torch.tensor(logits), numbers, temperature).tolist()


def some_logits(draw, rows, size=8):
    return [[draw.uniform(-2, 2) for _ in range(size)] for _ in range(rows)]


def greedy(draw, model):
    return model.pick(torch.tensor(some_logits(draw, 4)), None, 0.0).tolist()


def no_other_chance(draw, model):
    logits = some_logits(draw, 1) * 100
    u = [draw.random() for _ in logits]
    return picked(model, logits, u, 1.0) == picked(model, logits, u, 1.0)


def pieces(draw, model):
    logits = torch.tensor([[0.2, 0.5, 0.3]]).log().tolist()
    answers = []
    for u in (0.05, 0.19, 0.21, 0.45, 0.69, 0.71, 0.99):
        answers.append([u, picked(model, logits, [u], 1.0)])
    return answers


def rows_apart(draw, model):
    logits = some_logits(draw, 12)
    return picked(model, logits, [(number + 0.5) / 12 for number in range(12)], 1.0)


def heat(draw, model):
    logits = some_logits(draw, 1) * 60
    u = [(number + 0.5) / 60 for number in range(60)]
    return [picked(model, logits, u, 0.3), picked(model, logits, u, 3.0)]


def impossible(draw, model):
    logits = some_logits(draw, 1)
    logits[0][0] = -float("inf")
    logits[0][-1] = -float("inf")
    return [picked(model, logits, [0.0], 1.0), picked(model, logits, [0.999], 1.0)]


def largest_number(draw, model):
    logits = some_logits(draw, 200)
    return max(picked(model, logits, [1 - 2**-24] * 200, 1.0)) < len(logits[0])


# ---------------------------------------------------------------- generate_plain

def small_model(draw, model, **settings):
    """A random model of two layers and 40 words, and a prompt."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40,
             "max_position_embeddings": 64, "tie_word_embeddings": True}
    values = {"model_type": "llama", "rms_norm_eps": 1e-6} | sizes | settings
    torch.manual_seed(draw.randrange(10**6))
    lm = model.Transformer(model.Config.from_dict(values, "config.json"))
    for parameter in lm.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.4)
    prompt = [draw.randrange(40) for _ in range(draw.randint(4, 9))]
    return lm.eval(), prompt


def answered(completion):
    return {"ids": completion.ids, "finish_reason": completion.finish_reason}


def plain_greedy(draw, model):
    lm, prompt = small_model(draw, model)
    return answered(model.generate_plain(lm, list(prompt), 8))


def plain_sampled(draw, model):
    lm, prompt = small_model(draw, model)
    return [model.generate_plain(lm, list(prompt), 6, 1.0, seed=3, row=row).ids
            for row in range(3)]


def plain_heat(draw, model):
    lm, prompt = small_model(draw, model)
    return [model.generate_plain(lm, list(prompt), 6, heat_, seed=3).ids for heat_ in (0.5, 5.0)]


def plain_end(draw, model):
    lm, prompt = small_model(draw, model)
    end_ids = tuple(draw.sample(range(40), 16))
    return [answered(model.generate_plain(lm, list(prompt), 8, 1.0, row=row, end_ids=end_ids))
            for row in range(4)]


def plain_logprob(draw, model):
    lm, prompt = small_model(draw, model)
    return [model.generate_plain(lm, list(prompt), 4, 2.0, row=row).logprob for row in range(3)]


def plain_logprob_of_end(draw, model):
    lm, prompt = small_model(draw, model)
    ids = model.generate_plain(lm, list(prompt), 6, 2.0, seed=3).ids
    return model.generate_plain(lm, list(prompt), 6, 2.0, seed=3, end_ids=(ids[-1],)).logprob


def plain_context(draw, model):
    lm, prompt = small_model(draw, model, max_position_embeddings=12)
    return answered(model.generate_plain(lm, list(prompt), 20))


def plain_vocabulary(draw, model):
    lm, prompt = small_model(draw, model)
    lm.vocab_limit = 5
    return model.generate_plain(lm, list(prompt), 8, 1.0).ids


def plain_prompt_stays(draw, model):
    lm, prompt = small_model(draw, model)
    before = list(prompt)
    model.generate_plain(lm, prompt, 4)
    return before == prompt


def plain_bundled(draw, model):
    from data import TINY
    lm, tokenizer = model.load(TINY, "cpu", torch.float32)
    question = (f"Ben has {draw.randrange(20, 60)} coins and finds {draw.randrange(5, 20)}. "
                "How many coins does Ben have?")
    prompt = tokenizer.encode_chat([{"role": "user", "content": question}])
    done = model.generate_plain(lm, prompt, 12, end_ids=tokenizer.end_ids)
    return tokenizer.decode(done.ids)


# ---------------------------------------------------------------- Batch.decode

class Asked:
    """Stands for the model: keeps what `hidden` is asked, writes into the cache, and answers with
    numbers of its own."""
    device = torch.device("cpu")

    def __init__(self):
        self.ids = self.start = self.cache = None

    def hidden(self, ids, cache=None, start=None, lengths=None):
        self.ids = ids.tolist()
        self.start = None if start is None else [int(position) for position in start]
        if cache is not None:
            self.cache = list(cache.shape)
            cache += 1
        return ids[:, :, None] * torch.tensor([1.0, 10.0, 100.0])      # (N, 1, 3)


def decoded(draw, model, live):
    """One step of a batch with `live` requests of unequal lengths."""
    batch = object.__new__(model.Batch)
    batch.lm = Asked()
    batch.live = [SimpleNamespace(prompt=[1, 2], limit=20, done=False,
                                  answer=model.Completion([50, 51]))]
    for _ in range(live - 1):
        prompt = [draw.randrange(50) for _ in range(draw.randint(3, 12))]
        ids = [draw.randrange(50, 100) for _ in range(draw.randint(2, 6))]
        batch.live.append(SimpleNamespace(prompt=prompt, limit=20, done=False,
                                          answer=model.Completion(ids)))
    batch.slots = live + 3
    batch.waiting = []
    batch.filling = False
    batch.cache = torch.zeros(2, 2, batch.slots, 1, 40, 4)
    requests, hidden = batch.decode()
    return batch, requests, hidden


def newest_tokens(draw, model):
    batch, _, _ = decoded(draw, model, draw.randint(2, 6))
    return batch.lm.ids


def their_positions(draw, model):
    batch, _, _ = decoded(draw, model, draw.randint(2, 6))
    return batch.lm.start


def live_slots(draw, model):
    batch, _, _ = decoded(draw, model, draw.randint(2, 6))
    return [batch.lm.cache, bool(batch.cache.any())]


def who_and_what(draw, model):
    batch, requests, hidden = decoded(draw, model, draw.randint(2, 6))
    return [[batch.live.index(request) for request in requests], list(hidden.shape)]


def unequal_prompts(draw, model):
    lm, _ = small_model(draw, model)
    prompts = [[draw.randrange(40) for _ in range(length)] for length in (3, 11, 6, 20)]
    return [answered(one) for one in model.generate(lm, prompts, 8, 1.0, seed=5, end_ids=(1, 2))]


PROBES = [
    Probe("pick", "temperature 0 picks the likeliest token of each row, and needs no u", greedy),
    Probe("pick", "u decides, and no other chance: the same u, the same token", no_other_chance),
    Probe("pick", "of 0.2, 0.5 and 0.3 the token in whose piece u lies (each: u, the row's token)",
          pieces),
    Probe("pick", "every row has its own logits, its own softmax and its own number", rows_apart),
    Probe("pick", "logits are divided by the temperature, before the softmax (at 0.3, at 3.0)",
          heat),
    Probe("pick", "a token with probability 0 is never picked: its piece has no length (first and "
                  "last token, u = 0 and 0.999)", impossible),
    Probe("pick", "also for the largest u, 1 - 2**-24, a token is picked, though by rounding the "
                  "last piece may end before it", largest_number),
    Probe("generate_plain", "without temperature: the likeliest token, read on with it, and so on, "
                            "without the prompt", plain_greedy),
    Probe("generate_plain", "every step has its own number of noise(seed, row, steps), and another "
                            "row other ones", plain_sampled),
    Probe("generate_plain", "the temperature is passed on to pick (at 0.5, at 5.0)", plain_heat),
    Probe("generate_plain", "an end token ends it: it is not among the ids, and finish_reason is "
                            "\"end\"", plain_end),
    Probe("generate_plain", "logprob sums log p of all ids, at temperature 1", plain_logprob),
    Probe("generate_plain", "the end token is in logprob too, though not among the ids",
          plain_logprob_of_end),
    Probe("generate_plain", "no more tokens than `room` has", plain_context),
    Probe("generate_plain", "ids from lm.vocab_limit on are never picked", plain_vocabulary),
    Probe("generate_plain", "the prompt that was passed is not changed", plain_prompt_stays),
    Probe("generate_plain", "the bundled model begins to answer a word problem as it always does",
          plain_bundled),
    Probe("Batch.decode", "the newest token of every live request is read: ids (N, 1)",
          newest_tokens),
    Probe("Batch.decode", "each stands at its own position, behind its own prompt and what was "
                          "answered before it", their_positions),
    Probe("Batch.decode", "the cache of the live slots alone is passed, and no copy of it, since "
                          "it is written to: (layers, 2, N, G, S, E)", live_slots),
    Probe("Batch.decode", "it returns all live requests and their hidden states, (N, D)",
          who_and_what),
    Probe("Batch.decode", "unequal prompts are answered as each alone would be", unequal_prompts),
]
