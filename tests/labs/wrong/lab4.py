"""Wrong solutions of lab 4, as students write them. In quotes: words of the hint that they get."""
import torch

from data.fast.prefixes import in_fp32
from model import Completion, logprob_of, noise, pick, room


def pick__likeliest_of_the_batch(logits, u, temperature):
    """the likeliest token of each row"""
    if temperature == 0:
        return logits.argmax()
    ends = (logits / temperature).softmax(-1).cumsum(-1)
    return torch.searchsorted(ends, u[:, None], right=True)[:, 0].clamp(max=logits.size(-1) - 1)


def pick__greedy_forgotten(logits, u, temperature):
    """temperature 0 picks the likeliest token of each row, and needs no u"""
    ends = (logits / temperature).softmax(-1).cumsum(-1)
    return torch.searchsorted(ends, u[:, None], right=True)[:, 0].clamp(max=logits.size(-1) - 1)


def pick__by_multinomial(logits, u, temperature):
    """u decides, and no other chance"""
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits / temperature).softmax(-1), 1)[:, 0]


def pick__always_the_likeliest(logits, u, temperature):
    """the token in whose piece u lies"""
    return logits.argmax(-1)


def pick__one_too_far(logits, u, temperature):
    """the token in whose piece u lies"""
    if temperature == 0:
        return logits.argmax(-1)
    ends = (logits / temperature).softmax(-1).cumsum(-1)
    return (ends <= u[:, None]).sum(-1).add(1).clamp(max=logits.size(-1) - 1)


def pick__from_the_likeliest_on(logits, u, temperature):
    """the token in whose piece u lies"""
    if temperature == 0:
        return logits.argmax(-1)
    probs, tokens = (logits / temperature).softmax(-1).sort(-1, descending=True)
    place = (probs.cumsum(-1) <= u[:, None]).sum(-1).clamp(max=logits.size(-1) - 1)
    return tokens.gather(-1, place[:, None])[:, 0]


def pick__one_number_for_all(logits, u, temperature):
    """its own number"""
    if temperature == 0:
        return logits.argmax(-1)
    ends = (logits / temperature).softmax(-1).cumsum(-1)
    return (ends <= u[0]).sum(-1).clamp(max=logits.size(-1) - 1)


def pick__softmax_over_the_rows(logits, u, temperature):
    """the token in whose piece u lies"""
    if temperature == 0:
        return logits.argmax(-1)
    ends = (logits / temperature).softmax(0).cumsum(-1)
    return (ends <= u[:, None]).sum(-1).clamp(max=logits.size(-1) - 1)


def pick__times_the_temperature(logits, u, temperature):
    """logits are divided by the temperature"""
    if temperature == 0:
        return logits.argmax(-1)
    probs = (in_fp32(logits) * temperature).softmax(-1)
    ends = probs.cumsum(-1)
    first_beyond = torch.searchsorted(ends, u[:, None] * ends[:, -1:], right=True)[:, 0]
    return first_beyond.clamp(max=ends.size(-1) - 1)


def pick__temperature_forgotten(logits, u, temperature):
    """logits are divided by the temperature"""
    if temperature == 0:
        return logits.argmax(-1)
    ends = logits.softmax(-1).cumsum(-1)
    return (ends <= u[:, None]).sum(-1).clamp(max=logits.size(-1) - 1)


def pick__temperature_after_softmax(logits, u, temperature):
    """before the softmax"""
    if temperature == 0:
        return logits.argmax(-1)
    ends = (logits.softmax(-1) / temperature).cumsum(-1)
    return (ends <= u[:, None]).sum(-1).clamp(max=logits.size(-1) - 1)


def pick__at_the_end_of_a_piece(logits, u, temperature):
    """a token with probability 0 is never picked"""
    if temperature == 0:
        return logits.argmax(-1)
    ends = (logits / temperature).softmax(-1).cumsum(-1)
    return torch.searchsorted(ends, u[:, None])[:, 0].clamp(max=logits.size(-1) - 1)


def pick__beyond_the_last(logits, u, temperature):
    """by rounding the last piece may end before it"""
    if temperature == 0:
        return logits.argmax(-1)
    ends = (logits / temperature).softmax(-1).cumsum(-1)
    return torch.searchsorted(ends, u[:, None], right=True)[:, 0]


def generate_plain__newest_token_alone(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                       end_ids=()):
    """the likeliest token, read on with it"""
    answer = Completion()
    ids = list(prompt)
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([ids]))[:, -1]
        token = pick(logits[:, :lm.vocab_limit], torch.tensor([number]).float(), temperature)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
        ids = [token.item()]
    return answer


def generate_plain__first_position(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                   end_ids=()):
    """the likeliest token, read on with it"""
    answer = Completion()
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, 0]
        token = pick(logits[:, :lm.vocab_limit], torch.tensor([number]).float(), temperature)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


def generate_plain__prompt_in_the_ids(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                      end_ids=()):
    """without the prompt"""
    answer = Completion(list(prompt))
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([answer.ids]))[:, -1]
        token = pick(logits[:, :lm.vocab_limit], torch.tensor([number]).float(), temperature)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


def generate_plain__same_noise_every_step(lm, prompt, max_new_tokens, temperature=0.0, seed=0,
                                          row=0, end_ids=()):
    """every step has its own number of noise"""
    answer = Completion()
    u = torch.tensor(noise(seed, row, 1)).float()
    for _ in range(room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, -1]
        token = pick(logits[:, :lm.vocab_limit], u, temperature)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


def generate_plain__row_forgotten(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                  end_ids=()):
    """and another row other ones"""
    answer = Completion()
    for number in noise(seed, 0, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, -1]
        token = pick(logits[:, :lm.vocab_limit], torch.tensor([number]).float(), temperature)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


def generate_plain__temperature_of_one(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                       end_ids=()):
    """the temperature is passed on to pick"""
    answer = Completion()
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, -1]
        u = torch.tensor([number]).float()
        token = pick(logits[:, :lm.vocab_limit], u, 1.0 if temperature else 0.0)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


def generate_plain__end_token_kept(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                   end_ids=()):
    """it is not among the ids"""
    answer = Completion()
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, -1]
        token = pick(logits[:, :lm.vocab_limit], torch.tensor([number]).float(), temperature)
        answer.logprob += logprob_of(logits, token).item()
        answer.ids.append(token.item())
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
    return answer


def generate_plain__no_end(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0, end_ids=()):
    """an end token ends it"""
    answer = Completion()
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, -1]
        token = pick(logits[:, :lm.vocab_limit], torch.tensor([number]).float(), temperature)
        answer.logprob += logprob_of(logits, token).item()
        answer.ids.append(token.item())
    return answer


def generate_plain__logprob_when_heated(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                        end_ids=()):
    """logprob sums log p of all ids, at temperature 1"""
    answer = Completion()
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, -1] / (temperature or 1.0)
        u = torch.tensor([number]).float()
        token = pick(logits[:, :lm.vocab_limit], u, 1.0 if temperature else 0.0)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


def generate_plain__logprob_without_end(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                        end_ids=()):
    """the end token is in logprob too"""
    answer = Completion()
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, -1]
        token = pick(logits[:, :lm.vocab_limit], torch.tensor([number]).float(), temperature)
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
        answer.logprob += logprob_of(logits, token).item()
    return answer


def generate_plain__beyond_the_context(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                       end_ids=()):
    """no more tokens than `room` has"""
    answer = Completion()
    for number in noise(seed, row, max_new_tokens):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, -1]
        token = pick(logits[:, :lm.vocab_limit], torch.tensor([number]).float(), temperature)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


def generate_plain__spare_ids_too(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                  end_ids=()):
    """ids from lm.vocab_limit on are never picked"""
    answer = Completion()
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([list(prompt) + answer.ids]))[:, -1]
        token = pick(logits, torch.tensor([number]).float(), temperature)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
    return answer


def generate_plain__prompt_grows(lm, prompt, max_new_tokens, temperature=0.0, seed=0, row=0,
                                 end_ids=()):
    """the prompt that was passed is not changed"""
    answer = Completion()
    for number in noise(seed, row, room(lm, prompt, max_new_tokens, temperature)):
        logits = lm(torch.tensor([prompt]))[:, -1]
        token = pick(logits[:, :lm.vocab_limit], torch.tensor([number]).float(), temperature)
        answer.logprob += logprob_of(logits, token).item()
        if token.item() in end_ids:
            answer.finish_reason = "end"
            break
        answer.ids.append(token.item())
        prompt.append(token.item())
    return answer


def Batch_decode__last_of_the_prompt(self):
    """the newest token of every live request is read"""
    newest = [[request.prompt[-1]] for request in self.live]
    start = [len(request.prompt) + len(request.answer.ids) - 1 for request in self.live]
    ids = torch.tensor(newest, device=self.lm.device)
    hidden = self.lm.hidden(ids, self.cache[:, :, :len(self.live)], start)
    return self.live, hidden[:, 0]


def Batch_decode__all_that_was_answered(self):
    """the newest token of every live request is read: ids (N, 1)"""
    ids = torch.tensor([request.answer.ids for request in self.live], device=self.lm.device)
    start = [len(request.prompt) for request in self.live]
    hidden = self.lm.hidden(ids, self.cache[:, :, :len(self.live)], start)
    return self.live, hidden[:, -1]


def Batch_decode__one_row_of_ids(self):
    """ids (N, 1)"""
    newest = [request.answer.ids[-1] for request in self.live]
    start = [len(request.prompt) + len(request.answer.ids) - 1 for request in self.live]
    ids = torch.tensor([newest], device=self.lm.device)
    hidden = self.lm.hidden(ids, self.cache[:, :, :len(self.live)], start)
    return self.live, hidden[0]


def Batch_decode__one_position_for_all(self):
    """each stands at its own position"""
    newest = [[request.answer.ids[-1]] for request in self.live]
    first = self.live[0]
    start = [len(first.prompt) + len(first.answer.ids) - 1] * len(self.live)
    ids = torch.tensor(newest, device=self.lm.device)
    hidden = self.lm.hidden(ids, self.cache[:, :, :len(self.live)], start)
    return self.live, hidden[:, 0]


def Batch_decode__one_position_too_far(self):
    """behind its own prompt and what was answered before it"""
    newest = [[request.answer.ids[-1]] for request in self.live]
    start = [len(request.prompt) + len(request.answer.ids) for request in self.live]
    ids = torch.tensor(newest, device=self.lm.device)
    hidden = self.lm.hidden(ids, self.cache[:, :, :len(self.live)], start)
    return self.live, hidden[:, 0]


def Batch_decode__no_position(self):
    """each stands at its own position"""
    newest = [[request.answer.ids[-1]] for request in self.live]
    ids = torch.tensor(newest, device=self.lm.device)
    hidden = self.lm.hidden(ids, self.cache[:, :, :len(self.live)])
    return self.live, hidden[:, 0]


def Batch_decode__whole_cache(self):
    """the cache of the live slots alone is passed"""
    newest = [[request.answer.ids[-1]] for request in self.live]
    start = [len(request.prompt) + len(request.answer.ids) - 1 for request in self.live]
    ids = torch.tensor(newest, device=self.lm.device)
    hidden = self.lm.hidden(ids, self.cache, start)
    return self.live, hidden[:, 0]


def Batch_decode__copy_of_the_cache(self):
    """and no copy of it"""
    newest = [[request.answer.ids[-1]] for request in self.live]
    start = [len(request.prompt) + len(request.answer.ids) - 1 for request in self.live]
    ids = torch.tensor(newest, device=self.lm.device)
    hidden = self.lm.hidden(ids, self.cache[:, :, list(range(len(self.live)))], start)
    return self.live, hidden[:, 0]


def Batch_decode__one_dimension_too_many(self):
    """it returns all live requests and their hidden states, (N, D)"""
    newest = [[request.answer.ids[-1]] for request in self.live]
    start = [len(request.prompt) + len(request.answer.ids) - 1 for request in self.live]
    ids = torch.tensor(newest, device=self.lm.device)
    return self.live, self.lm.hidden(ids, self.cache[:, :, :len(self.live)], start)
