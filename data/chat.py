"""Text to token ids and back, chat template included.

    from data.chat import Tokenizer
    tokenizer = Tokenizer("data/tiny")
    tokenizer.encode_chat([{"role": "user", "content": "What is 2 + 3?"}])   # ids that end where the answer begins

Design choices:
- the folder's own tokenizer.json and chat template, read by the `tokenizers` library and by jinja2's
  immutable sandbox: a template is a program that came with the weights;
- the template is rendered to text and that text encoded *without* special tokens added (the template
  has written them already, or BOS would stand there twice);
- end ids are what generation stops on (often several), `close_id` the one that the template puts after
  an assistant's turn, the one to train on.
"""
import json
import os
from datetime import datetime
from pathlib import Path

import jinja2
import jinja2.ext
import jinja2.sandbox
import tokenizers

from data import UserError

FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
         "generation_config.json")
TODAY = datetime(2025, 1, 1)    # templates that print today's date would change ids from day to day


class LoadError(UserError):
    """Something in a folder cannot be used; the message is one line: what is wrong, what to do."""


def read_json(path):
    """The JSON object in `path`; LoadError names the file when it is missing or does not parse."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LoadError(f"{path}: cannot be read ({error.strerror}); is the folder complete?") from None
    except ValueError as error:     # JSONDecodeError and UnicodeDecodeError
        raise LoadError(f"{path}: is no JSON ({error}); fetch the file again") from None
    if not isinstance(value, dict):
        raise LoadError(f"{path}: holds no JSON object; fetch the file again")
    return value


def write_atomic(path, content):
    """Write bytes so that a kill half-way leaves either the old file or the new one."""
    temporary = f"{path}.tmp{os.getpid()}"
    Path(temporary).write_bytes(content)
    os.replace(temporary, path)


class Tokenizer:
    """The tokenizer of a checkpoint folder.

    size      ids lie in range(size); rows of the embedding past it mean nothing
    end_ids   generation stops on any of them
    close_id  closes an assistant's turn in the template; None for a model without chat template
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        if not (self.folder / "tokenizer.json").is_file():
            raise LoadError(f"{self.folder / 'tokenizer.json'}: no such file; a model folder needs its tokenizer")
        # the bytes are kept, so that save() does not depend on the folder still being there
        self.files = {n: (self.folder / n).read_bytes() for n in FILES if (self.folder / n).is_file()}
        try:
            self.bpe = tokenizers.Tokenizer.from_buffer(self.files["tokenizer.json"])
        except Exception as error:  # the library raises bare Exception or ValueError
            raise LoadError(f"{self.folder / 'tokenizer.json'}: does not parse ({error}); "
                            "fetch the file again") from None
        self.bpe.no_truncation()
        self.bpe.no_padding()
        vocabulary = self.bpe.get_vocab(with_added_tokens=True)
        self.size = max(vocabulary.values()) + 1

        config = read_json(self.folder / "tokenizer_config.json") if "tokenizer_config.json" in self.files else {}
        # a special token is written as text or as {"content": text, ...}
        self.special = {key: value["content"] if isinstance(value, dict) else value
                        for key, value in config.items() if key.endswith("_token") and value
                        and isinstance(value, (str, dict))}
        self.bos_id = vocabulary.get(self.special.get("bos_token")) if config.get("add_bos_token") else None
        self.template = self._template(config)
        self.close_id = self._close_id(vocabulary)

        # the first file that names an end counts, as in transformers
        ends = None
        for name in ("generation_config.json", "config.json"):
            if ends is None and (self.folder / name).is_file():
                ends = read_json(self.folder / name).get("eos_token_id")
        if ends is None:
            ends = vocabulary.get(self.special.get("eos_token"))
        ends = [ends] if isinstance(ends, int) else ends or []
        if not isinstance(ends, list) or not all(type(i) is int for i in ends):
            raise LoadError(f"{self.folder}: eos_token_id {ends!r} is no token id and no list of them; fetch its file again")
        ends = list(ends)
        self.end_ids = ends + [self.close_id] * (self.close_id is not None and self.close_id not in ends)

    def _template(self, config):
        """The compiled chat template, in the sandbox and with the helpers that transformers gives it."""
        source = config.get("chat_template")
        if isinstance(source, list):    # several named ones
            source = next((t.get("template") for t in source if isinstance(t, dict) and t.get("name") == "default"), None)
        if "chat_template.jinja" in self.files:
            source = self.files["chat_template.jinja"].decode("utf-8", errors="replace")
        if not source:
            return None
        if not isinstance(source, str):
            raise LoadError(f"{self.folder}: the chat template is no text; fetch tokenizer_config.json again")

        def raise_exception(message):
            raise jinja2.TemplateError(message)

        def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
            return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                              sort_keys=sort_keys)

        env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                           extensions=[jinja2.ext.loopcontrols])
        env.filters["tojson"] = tojson
        env.globals.update(raise_exception=raise_exception, strftime_now=TODAY.strftime)
        try:
            return env.from_string(source)
        except jinja2.TemplateError as error:
            raise LoadError(f"{self.folder}: the chat template does not compile ({error})") from None

    def _close_id(self, vocabulary):
        """The token after an assistant's words, found by rendering a chat and looking what follows."""
        if self.template is None:
            return None
        words = "certainly"
        text = self.render([{"role": "user", "content": "hello"}, {"role": "assistant", "content": words}])
        after = self.bpe.encode(text[text.rfind(words) + len(words):], add_special_tokens=False).ids
        added = self.bpe.get_added_tokens_decoder()
        return next((i for i in after if i in added), vocabulary.get(self.special.get("eos_token")))

    def render(self, messages):
        """The chat as text, with the generation prompt unless the last message is the assistant's."""
        if self.template is None:
            raise LoadError(f"{self.folder}: has no chat template; take an instruction-tuned model")
        try:
            return self.template.render(messages=messages, tools=None, documents=None, **self.special,
                                        add_generation_prompt=messages[-1]["role"] != "assistant")
        except Exception as error:      # a template is a program: it can fail in any way
            raise LoadError(f"{self.folder}: the chat template refuses this chat ({error})") from None

    def encode_chat(self, messages):
        """[{"role": .., "content": ..}, ..] -> ids."""
        return self.bpe.encode(self.render(messages), add_special_tokens=False).ids

    def encode(self, text):
        """Plain text -> ids; BOS in front only where tokenizer_config.json asks for it (add_bos_token)."""
        ids = self.bpe.encode(text, add_special_tokens=False).ids
        return ids if self.bos_id is None else [self.bos_id] + ids

    def decode(self, ids):
        """ids -> text without special tokens."""
        return self.bpe.decode(list(ids), skip_special_tokens=True)

    def save(self, folder):
        """Write the files that were read, as they were."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            write_atomic(Path(folder) / name, content)
