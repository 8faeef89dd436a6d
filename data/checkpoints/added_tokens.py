"""added_tokens.py - markers such as <|im_end|> that a tokenizer's other files add to tokenizer.json."""
from tokenizers import AddedToken

from data.checkpoints import LoadError, read_model_json

# Tokens with a role, in the order in which transformers adds them.
NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token",
         "mask_token")
FLAGS = ("lstrip", "rstrip", "normalized", "single_word")


def read_settings(folder):
    """The content of a folder's tokenizer_config.json.

    Where that does not list the added tokens, two older files do, as in transformers 5.
    """
    names = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
    files = [folder / name for name in names]
    config, roles, ids = [read_model_json(file) if file.is_file() else {} for file in files]
    if "added_tokens_decoder" in config:
        return config
    listed = {id: {"content": content} for content, id in ids.items()}
    return config | roles | {"added_tokens_decoder": listed}


def add_tokens(bpe, config, pad, folder):
    """Add the tokens that only `config` lists to bpe, as transformers 5 does.

    config: from `read_settings`; pad: its padding token. A token that is not in the vocabulary gets
    the next free id. LoadError where the config wants another one.
    """
    listed = config.get("added_tokens_decoder") or {}       # {"2": {"content": "</s>", ..}, ..}
    known = {token.content: repr(token) for token in bpe.get_added_tokens_decoder().values()}
    wanted_ids = {}
    new = []
    try:
        special = [added_token(value, special=True) for value in special_values(config)]
        roles = [token.content for token in special]
        for id in sorted(listed, key=int):
            value = listed[id]
            token = added_token(value, value.get("special") or value["content"] in roles)
            if token.content not in known:
                wanted_ids[token.content] = int(id)
            if known.get(token.content) != repr(token):     # unknown, or with other flags
                new.append(token)
        for token in special:
            if token.content not in known and token.content not in [t.content for t in new]:
                new.append(token)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LoadError(f"{folder}: tokenizer_config.json lists a token that cannot be read "
                        f"({error!r}); fetch it again") from None

    # Models often have no row for a padding token that was added last, and nothing here is padded
    # with it.
    if new and new[-1].content == pad and pad not in known:
        new.pop()
    bpe.add_tokens(new)
    for content, wanted in wanted_ids.items():
        id = bpe.token_to_id(content)
        if id not in (wanted, None):
            raise LoadError(f"{folder}: {content!r} has the id {wanted} in tokenizer_config.json, "
                            f"but by tokenizer.json it gets {id}; fetch both from one place")


def special_values(config):
    """The special tokens that the config names: texts, or objects with a content and flags."""
    values = [config.get(name) for name in NAMED]
    for name, value in config.items():
        if name.endswith("_token") and name not in NAMED:   # such as "image_token"
            values.append(value)
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    values += extra.values() if isinstance(extra, dict) else extra
    return [value for value in values if value and isinstance(value, (str, dict))]


def added_token(value, special):
    """A text, or {"content": .., "lstrip": .., ..} -> AddedToken."""
    if isinstance(value, str):
        return AddedToken(value, special=special)
    flags = {flag: value[flag] for flag in FLAGS if flag in value}
    return AddedToken(value["content"], **flags, special=bool(special))
