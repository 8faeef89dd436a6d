"""config.py - config.json of the supported families.

What is not supported is refused in one line that names the setting and its value, before any memory
is taken for it.
"""
import math
from dataclasses import asdict, dataclass, field

from data.checkpoints import LoadError

FAMILIES = {        # what each assumes where its config.json lacks a setting; null is not a lack
    "llama": {},
    "mistral": {"num_key_value_heads": 8, "sliding_window": 4096},
    "qwen2": {"num_key_value_heads": 32, "sliding_window": 4096, "max_window_layers": 28},
    "qwen3": {"num_key_value_heads": 32, "sliding_window": 4096, "max_window_layers": 28},
    "ministral": {"num_key_value_heads": 8, "sliding_window": 4096},
    "smollm3": {"num_key_value_heads": 4, "tie_word_embeddings": True, "rope_theta": 2e6},
}
SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
         "vocab_size", "max_position_embeddings")
MOST_LAYERS = 10**4         # no model has more, and to lay one out would take for ever
MOST = 10**9                # of any other whole number
ROPE = {                    # kinds of rotary angles, and the numbers that each needs
    "default": (),
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor",
               "original_max_position_embeddings"),
    "yarn": ("factor", "original_max_position_embeddings"),
}
YARN = ("beta_fast", "beta_slow", "attention_factor", "mscale", "mscale_all_dim", "truncate")


@dataclass
class Config:
    """What the layers need to know.

    The families differ in little: qwen2 has biases on q, k and v; qwen3 norms q and k instead; in
    mistral and some qwen models a position sees only a window; smollm3 has layers without rotary
    angles; llama 3 stretches them. ministral is mistral under another name.
    """
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    vocab_size: int
    max_position_embeddings: int        # the context: the most tokens of a row
    num_key_value_heads: int = 0        # 0: as many as query heads
    head_dim: int = 0                   # 0: hidden_size / num_attention_heads
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False   # the head is the embedding
    rope_theta: float = 10000.0
    rope_scaling: dict = None           # {"rope_type": "linear", ..}: what model.rope_table needs
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False               # RMSNorm on the queries and keys of every head
    windows: tuple = ()                 # for each layer: how many positions one sees; None: all
    rotary_layers: tuple = ()           # for each layer: whether it has rotary angles
    source: dict = field(default_factory=dict, repr=False, compare=False)   # config.json as read

    def __post_init__(self):
        self.num_key_value_heads = self.num_key_value_heads or self.num_attention_heads
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads
        self.windows = tuple(self.windows) or (None,) * self.num_hidden_layers
        self.rotary_layers = tuple(self.rotary_layers) or (True,) * self.num_hidden_layers

    @classmethod
    def from_dict(cls, d, file="config.json"):
        """The content of config.json -> Config. LoadError for what is wrong or not supported."""
        return cls(**parse_config(d, file), source=d)

    def to_dict(self):
        """The content of config.json: as it was read, or written in Llama's terms."""
        if self.source:
            return self.source
        llama = asdict(self)
        for name in ("source", "windows", "rotary_layers", "qkv_bias", "o_bias", "qk_norm"):
            del llama[name]
        return llama | {"model_type": "llama", "architectures": ["LlamaForCausalLM"],
                        "hidden_act": "silu", "attention_bias": self.qkv_bias}


def parse_config(config, file):
    """The content of config.json -> {field of Config: value}.

    What is absent gets its family's default, as in transformers. LoadError: what is missing, wrong
    or not supported. file: its name in messages.
    """
    family = config.get("model_type")
    known = isinstance(family, str) and family in FAMILIES
    require(known, file, "model_type", family, ", ".join(FAMILIES))
    config = FAMILIES[family] | config
    missing = [name for name in SIZES if config.get(name) is None]
    if missing:
        raise LoadError(f"{file}: lacks {', '.join(missing)}; fetch the file again")
    for setting, choices in (("hidden_act", ("silu", "swish")), ("partial_rotary_factor", (1.0,)),
                             ("quantization_config", (None,))):
        value = config.get(setting)
        require(value is None or value in choices, file, setting, value,
                ", ".join(map(str, choices)))

    fields = {name: whole_number(config, name, file) for name in SIZES}
    fields |= head_sizes(config, family, fields, file)
    fields["rms_norm_eps"] = number(config, "rms_norm_eps", file, 1e-6)
    fields["tie_word_embeddings"] = flag(config, "tie_word_embeddings", file)
    fields |= rope_fields(config, fields, file)

    # qwen2 always has biases on q, k and v, mistral has none; the others say so
    bias = flag(config, "attention_bias", file) and family in ("llama", "qwen3", "smollm3")
    fields["qkv_bias"] = bias or family == "qwen2"
    fields["o_bias"] = bias
    fields["mlp_bias"] = flag(config, "mlp_bias", file)
    if family not in ("llama", "smollm3"):
        require(not fields["mlp_bias"], file, f"mlp_bias in {family}", True, "false")
    fields["qk_norm"] = family == "qwen3"
    fields["rotary_layers"] = rotary_layers(config, family, fields["num_hidden_layers"], file)
    fields["windows"] = layer_windows(config, family, fields, file)
    return fields


def require(supported, file, setting, value, choices):
    if not supported:
        raise LoadError(f"{file}: {setting} {value!r} is not supported (supported: {choices})")


def whole_number(settings, name, file, default=None):
    """A positive whole number of a JSON object; default where it is absent or null."""
    value = settings.get(name)
    if value is None:
        value = default
    limit = MOST_LAYERS if name == "num_hidden_layers" else MOST
    if type(value) is not int or not 0 < value < limit:
        raise LoadError(f"{file}: {name} is {value!r}, not a positive whole number")
    return value


def number(settings, name, file, default=None):
    """A positive number of a JSON object; default where it is absent or null."""
    value = settings.get(name)
    if value is None:
        value = default
    if type(value) not in (int, float) or not 0 < value < 1e15:
        raise LoadError(f"{file}: {name} is {value!r}, not a positive number")
    return float(value)


def flag(settings, name, file):
    """True or False of a JSON object; False where it is absent or null."""
    value = settings.get(name)
    require(value in (None, True, False), file, name, value, "true, false")
    return bool(value)


def head_sizes(config, family, fields, file):
    """{"num_key_value_heads", "head_dim"}."""
    heads = fields["num_attention_heads"]
    key_value_heads = whole_number(config, "num_key_value_heads", file, heads)
    size = 128 if family == "qwen3" else fields["hidden_size"] // heads
    size = whole_number(config, "head_dim", file, size)
    if heads % key_value_heads or size % 2:
        raise LoadError(f"{file}: {heads} heads of size {size} do not fit "
                        f"{key_value_heads} key-value heads")
    return {"num_key_value_heads": key_value_heads, "head_dim": size}


def rope_fields(config, fields, file):
    """{"rope_theta"}, and where angles are stretched {"rope_scaling", "max_position_embeddings"}.

    transformers 5 writes rope_parameters, older versions rope_theta and rope_scaling; where both
    are there, rope_scaling counts, as in transformers.
    """
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    require(isinstance(rope, dict), file, "rope setting", rope, "an object")
    kind = rope.get("rope_type", rope.get("type", "default"))
    require(isinstance(kind, str) and kind in ROPE, file, "rope_type", kind, ", ".join(ROPE))
    settings = ("rope_theta", *ROPE["llama3"], *(YARN if kind == "yarn" else ()))
    for name, value in rope.items():
        known = name in ("rope_type", "type", *settings)
        harmless = value is None or (name == "partial_rotary_factor" and value == 1)
        require(known or harmless, file, f"rope setting {name}", value, ", ".join(settings))

    outside = {"rope_theta": config.get("rope_theta", 10000.0)}
    theta = number(outside | rope, "rope_theta", file)
    if kind == "default":
        return {"rope_theta": theta}
    context = fields["max_position_embeddings"]
    length = "original_max_position_embeddings"
    if length in ROPE[kind]:            # config's counts before the one in rope
        if config.get(length) is not None:
            rope = rope | {length: config[length]}
        elif length not in rope:
            rope = rope | {length: context}
    if kind == "yarn" and "factor" in rope and rope["factor"] is None:
        rope = rope | {"factor": context / number(rope, length, file)}
    scaling = {"rope_type": kind}
    for name in ROPE[kind]:
        scaling[name] = number(rope, name, file)
    if kind == "llama3" and scaling["low_freq_factor"] >= scaling["high_freq_factor"]:
        raise LoadError(f"{file}: low_freq_factor must be below high_freq_factor")
    if kind == "yarn":                  # many files keep the context from before it was stretched
        context = max(context, int(scaling["factor"] * scaling[length]))
        scaling = yarn_scaling(rope, scaling, theta, fields["head_dim"], file)
    return {"rope_theta": theta, "rope_scaling": scaling, "max_position_embeddings": context}


def yarn_scaling(rope, scaling, theta, head_dim, file):
    """The settings of yarn (arXiv:2309.00071) -> what model.rope_table needs of them.

    What is absent, null or 0 gets its default, as in transformers. Channels that turn more than
    beta_fast times in the original context are kept; below beta_slow the full factor applies.
    """
    require(theta > 1, file, "with yarn, rope_theta", theta, "more than 1")
    factor = scaling["factor"]
    original = scaling["original_max_position_embeddings"]

    def channel(name, default):
        """Which channel turns so many times: its number, or one between two numbers."""
        turns = number({name: rope.get(name) or default}, name, file)
        return head_dim / 2 * math.log(original / (2 * math.pi * turns)) / math.log(theta)

    first = channel("beta_fast", 32)
    last = channel("beta_slow", 1)
    if flag({"truncate": True} | rope, "truncate", file):
        first = math.floor(first)
        last = math.ceil(last)
    first = max(first, 0)
    last = min(last, head_dim - 1)
    if first == last:
        last += 0.001

    mscale = 1.0
    mscale_all_dim = 0.0
    if rope.get("mscale") and rope.get("mscale_all_dim"):
        mscale = number(rope, "mscale", file)
        mscale_all_dim = number(rope, "mscale_all_dim", file)
    steps = 0.1 * math.log(max(factor, 1))
    growth = (mscale * steps + 1) / (mscale_all_dim * steps + 1)
    return {"rope_type": "yarn", "factor": factor, "first": first, "last": last,
            "attention_factor": number(rope, "attention_factor", file, growth)}


def rotary_layers(config, family, layers, file):
    """For each layer whether it has rotary angles; () where all have."""
    if family != "smollm3":
        return ()
    given = config.get("no_rope_layers")        # in spite of its name, 1 stands for angles
    if given is None:
        interval = whole_number(config, "no_rope_layer_interval", file, 4)
        return tuple((layer + 1) % interval != 0 for layer in range(layers))
    fits = isinstance(given, list) and len(given) >= layers
    require(fits and all(one in (0, 1) for one in given), file, "no_rope_layers", given,
            f"0 or 1 for each of the {layers} layers")
    return tuple(one == 1 for one in given[:layers])


def layer_windows(config, family, fields, file):
    """For each layer how many positions one sees, None for all; () where all layers see all."""
    layers = fields["num_hidden_layers"]
    switched_on = flag(config, "use_sliding_window", file) and family != "llama"
    slides = switched_on or family in ("mistral", "ministral")
    kinds = config.get("layer_types")
    if not slides or config.get("sliding_window") is None:
        kinds = kinds or []
        full = isinstance(kinds, list) and all(kind == "full_attention" for kind in kinds)
        require(full, file, "layer_types", kinds, "full_attention")
        return ()

    window = whole_number(config, "sliding_window", file)
    full_layers = 0                     # so many layers at first see everything
    if family.startswith("qwen"):
        full_layers = config["max_window_layers"]
        require(type(full_layers) is int and full_layers >= 0, file, "max_window_layers",
                full_layers, "a whole number")
    if kinds:
        choices = {"full_attention": None, "sliding_attention": window}
        fits = isinstance(kinds, list) and len(kinds) == layers
        require(fits and all(kind in choices for kind in kinds), file, "layer_types", kinds,
                f"full_attention or sliding_attention for each of the {layers} layers")
        return tuple(choices[kind] for kind in kinds)
    if family == "smollm3":
        return tuple(None if rotary else window for rotary in fields["rotary_layers"])
    return tuple(None if layer < full_layers else window for layer in range(layers))
