"""added_tokens.py - markers such as <|im_end|> that stand beside tokenizer.json, in other files."""
from tokenizers import AddedToken

from data.checkpoints import LoadError, read_model_json

# Tokens with a role, in the order in which transformers adds them. Nothing here needs the second
# ones, since prompts are padded with any id.
NEEDED = ("bos_token", "eos_token")
UNUSED = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
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


def add_tokens(bpe, config, special, rows, folder):
    """Add the tokens that only `config` lists to bpe, as transformers 5 does.

    config: from `read_settings`; special: {role: token} of it; rows: of the model's embedding, or
    None. A token that is not in the vocabulary gets the next free id. LoadError where the config
    wants another one.
    """
    known = bpe.get_added_tokens_decoder().values()
    try:
        new, wanted_ids = unknown_tokens(config, {token.content: token for token in known})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise LoadError(f"{folder}: tokenizer_config.json lists a token that cannot be read "
                        f"({error!r}); fetch it again") from None

    unused = {special.get(role) for role in UNUSED} - {special.get(role) for role in NEEDED}
    for token in new:
        is_full = rows is not None and bpe.get_vocab_size() >= rows
        if is_full and token.content in unused and bpe.token_to_id(token.content) is None:
            continue                    # many models have no row for their padding token
        bpe.add_tokens([token])
        id = bpe.token_to_id(token.content)
        wanted = wanted_ids.get(token.content)
        if wanted not in (None, id):
            raise LoadError(f"{folder}: tokenizer_config.json gives {token.content!r} the id "
                            f"{wanted}, by tokenizer.json it is {id}; fetch both from one place")


def unknown_tokens(config, known):
    """The tokens of config that tokenizer.json lacks, or has with other flags.

    known: {content: AddedToken} of tokenizer.json -> ([AddedToken, ..], {content: id in config}).
    """
    special = [added_token(value, special=True) for value in special_values(config)]
    roles = [token.content for token in special]
    listed = config.get("added_tokens_decoder") or {}       # {"2": {"content": "</s>", ..}, ..}
    new = []
    ids = {}
    for id in sorted(listed, key=int):
        value = listed[id]
        token = added_token(value, value.get("special") or value["content"] in roles)
        if token.content not in known:
            ids[token.content] = int(id)
        if token != known.get(token.content):
            new.append(token)
    for token in special:
        if token.content not in known and token.content not in ids:
            new.append(token)
            ids[token.content] = None       # any
    return new, ids


def special_values(config):
    """The special tokens that the config names: texts, or objects with a content and flags."""
    values = [config.get(role) for role in NEEDED + UNUSED]
    for name, value in config.items():
        if name.endswith("_token") and name not in NEEDED + UNUSED:     # such as "image_token"
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
