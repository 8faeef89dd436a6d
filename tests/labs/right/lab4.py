"""Right solutions of lab 4 that are written otherwise than the project's own."""
import torch

from model import Completion, logprob_of, noise, pick, room


def pick__loop(logits, u, temperature):
    tokens = []
    for i in range(len(logits)):
        if temperature == 0:
            tokens.append(int(logits[i].argmax()))
            continue
        probs = torch.softmax(logits[i] / temperature, 0).tolist()
        end = 0.0
        picked = None
        for token, prob in enumerate(probs):
            end += prob
            if u[i].item() < end:
                picked = token
                break
        if picked is None:
            picked = max(token for token, prob in enumerate(probs) if prob > 0)
        tokens.append(picked)
    return torch.tensor(tokens, device=logits.device)


def pick__count_the_ends(logits, u, temperature):
    if not temperature:
        return torch.max(logits, dim=1).indices
    ends = torch.softmax(logits.double() / temperature, dim=1).cumsum(1)
    return (ends <= u.double().unsqueeze(1)).sum(1).clamp(max=logits.shape[1] - 1)


def generate_plain__with_a_cache(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                 end_ids=()):
    steps = room(lm, prompt, max_new_tokens, temperature)
    numbers = noise(seed, row, steps)
    cache = lm.new_cache(1, len(prompt) + steps)
    hidden = lm.hidden(torch.tensor([prompt], device=lm.device), cache[..., :len(prompt), :])
    answer = Completion()
    for step in range(steps):
        logits = lm.head(hidden[:, -1])
        u = torch.tensor([numbers[step]], dtype=torch.float32, device=lm.device)
        token = pick(logits[:, :lm.vocab_limit], u, temperature)
        answer.logprob += float(logprob_of(logits, token))
        if int(token) in end_ids:
            answer.finish_reason = "end"
            return answer
        answer.ids.append(int(token))
        if step < steps - 1:
            hidden = lm.hidden(token[None], cache, [len(prompt) + step])
    return answer


def generate_plain__while_loop(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                               end_ids=()):
    limit = room(lm, prompt, max_new_tokens, temperature)
    numbers = noise(seed, row, limit).tolist()
    ids = []
    logprob = 0.0
    finish_reason = "length"
    while len(ids) < limit and finish_reason == "length":
        everything = torch.tensor([*prompt, *ids], device=lm.device).unsqueeze(0)
        logits = lm(everything)[0, -1].float()
        allowed = logits[:lm.vocab_limit].unsqueeze(0)
        u = torch.tensor(numbers[len(ids)], dtype=torch.float32, device=lm.device).reshape(1)
        token = pick(allowed, u, temperature)[0].item()
        logprob += logits.log_softmax(0)[token].item()
        if token in end_ids:
            finish_reason = "end"
        else:
            ids.append(token)
    return Completion(ids, finish_reason, logprob)


def Batch_decode__loop(self):
    newest = []
    start = []
    for request in self.live:
        newest.append(request.answer.ids[-1])
        start.append(len(request.prompt) + len(request.answer.ids) - 1)
    ids = torch.tensor(newest, device=self.lm.device).unsqueeze(1)
    n = len(self.live)
    hidden = self.lm.hidden(ids, cache=self.cache[:, :, :n], start=start)
    return self.live, hidden.squeeze(1)


def Batch_decode__by_whole_rows(self):
    rows = [list(request.prompt) + request.answer.ids for request in self.live]
    ids = torch.tensor([row[-1:] for row in rows], device=self.lm.device)
    start = [len(row) - 1 for row in rows]
    hidden = self.lm.hidden(ids, self.cache.narrow(2, 0, len(rows)), start)
    return list(self.live), hidden[:, -1, :]
