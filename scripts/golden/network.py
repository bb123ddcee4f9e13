"""The networks of docs/checkpoint.md in plain PyTorch: the oracle of test/golden.

Slow and literal on purpose: one sequence at a time, one frame at a time where the network attends. Modules are named so
that state_dict() has the tensors of a checkpoint, by name and shape.
"""

import torch
from torch import nn


class Weight(nn.Module):
    """A single tensor called `weight`, and perhaps a `bias`."""

    def __init__(self, weight, bias=None):
        super().__init__()
        self.weight = nn.Parameter(weight)
        if bias is not None:
            self.bias = nn.Parameter(bias)


def uniform(*shape, fan_in):
    return (2 * torch.rand(*shape) - 1) / fan_in**0.5


class Stream(nn.Module):
    """A stacked LSTM with a linear head over one or more modalities; `window` frames of attention, or None. With an
    `encoder` it stands over nn.TransformerEncoder; of 0 layers, it is a hidden layer with ReLU."""

    def __init__(self, spec, sizes, outputs):
        super().__init__()
        self.spec = spec
        size = sum(sizes[name] for name in spec["inputs"])
        hidden, both = spec["hidden"], spec["bidirectional"]
        if "encoder" in spec:
            size = self.add_encoder(size, **spec["encoder"])
        if spec["layers"]:
            self.lstm = nn.LSTM(size, hidden, spec["layers"], bidirectional=both)
        else:
            self.hidden = nn.Linear(size, hidden)
        self.width = hidden * (2 if both else 1)
        self.head = nn.Linear(self.width, outputs)
        if spec["window"] and spec["attention"] == "gdp":
            self.attention = Weight(uniform(hidden, size, fan_in=size))
        if spec["window"] and spec["attention"] == "static":
            self.window = Weight(torch.zeros(spec["window"]))

    def add_encoder(self, size, width, heads, inner, layers):
        self.embedding = nn.Linear(size, width)
        block = nn.TransformerEncoderLayer(width, heads, inner, dropout=0.0, norm_first=True)
        norm = nn.LayerNorm(width)
        self.encoder = nn.TransformerEncoder(block, layers, norm=norm, enable_nested_tensor=False)
        return width

    def encode(self, v, valid):
        x = torch.tanh(self.embedding(v))
        return self.encoder(x[:, None], src_key_padding_mask=~valid[None])[:, 0]

    def start(self):
        """h and c, each [layers x directions, hidden], where a sequence starts."""
        rows = self.spec["layers"] * (2 if self.spec["bidirectional"] else 1)
        like = self.head.weight
        return like.new_zeros(rows, self.spec["hidden"]), like.new_zeros(rows, self.spec["hidden"])

    def forward(self, v, valid, begin, end, state, bypass=False):
        """Frames begin..end-1 of v [time, feature]; returns h [frames, width], y, attention [frames, window], state."""
        if not self.spec["window"]:
            x = v[begin:end]
            if "encoder" in self.spec:
                x = self.encode(x, valid[begin:end])
            if self.spec["layers"]:
                h, state = self.lstm(x, state)
            else:
                h = torch.relu(self.hidden(x))
            return h, self.head(h), None, state
        rows, weights = [], []
        for t in range(begin, end):
            a = self.weigh(v, valid, t, state[0][-1])
            x = v[t] if bypass else self.context(v, t, a)
            state = self.step(x, state)
            rows.append(state[0][-1])
            weights.append(a)
        h = torch.stack(rows)
        return h, self.head(h), torch.stack(weights), state

    def frames(self, v, t):
        """The frames of the window of t that exist, each with its place in the window."""
        left = self.spec["window"] // 2
        places = ((t - left + j, j) for j in range(self.spec["window"]))
        return [(s, j) for s, j in places if 0 <= s < len(v)]

    def weigh(self, v, valid, t, query):
        """softmax of the scores over the window's frames that exist and are not missing; 0 elsewhere."""
        usable = [(s, j) for s, j in self.frames(v, t) if valid[s]]
        weights = v.new_zeros(self.spec["window"])
        if not usable:
            return weights
        scores = torch.stack([self.score(v[s], j, query) for s, j in usable])
        return weights.index_put((torch.tensor([j for _, j in usable]),), torch.softmax(scores, 0))

    def score(self, frame, place, query):
        kind = self.spec["attention"]
        if kind == "gdp":
            return query @ self.attention.weight @ frame
        return self.window.weight[place] if kind == "static" else frame.new_zeros(())

    def context(self, v, t, a):
        return sum((a[j] * v[s] for s, j in self.frames(v, t)), torch.zeros_like(v[t]))

    def step(self, x, state):
        """One frame through all layers, by the equations of nn.LSTM: gates i, f, g, o."""
        hs, cs = [], []
        for layer in range(self.spec["layers"]):
            w_ih, w_hh, b_ih, b_hh = (
                getattr(self.lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            i, f, g, o = (w_ih @ x + b_ih + w_hh @ state[0][layer] + b_hh).chunk(4)
            c = torch.sigmoid(f) * state[1][layer] + torch.sigmoid(i) * torch.tanh(g)
            x = torch.sigmoid(o) * torch.tanh(c)
            hs.append(x)
            cs.append(c)
        return torch.stack(hs), torch.stack(cs)


def fuse(kind, fusion, h, y, valid):
    """z [time, output] and the streams' weights [time, output, stream] or None.

    h: a [time, width] of each stream; y: a [time, output]; valid: a [time] of bools, False where the stream is missing.
    """
    context = torch.cat(h, -1)
    predictions = torch.stack(y, -1)
    bias = getattr(fusion, "bias", 0)
    if kind == "none":
        return y[0], None
    if kind == "olb":
        return predictions @ fusion.weight, None
    if kind == "olb-per-dimension":
        return (predictions * fusion.weight).sum(-1) + bias, None
    if kind == "hlb":
        return context @ fusion.weight.T + bias, None
    scores = torch.zeros_like(predictions)
    if kind == "static":
        scores = scores + fusion.weight
    if kind == "attention":
        scores = scores + torch.einsum("tc,mcn->tmn", context, fusion.weight) + bias
    present = torch.stack(valid, -1)[:, None, :]
    present = present | ~present.any(-1, keepdim=True)  # all missing: uniform below
    scores = torch.where(torch.stack(valid).any(0)[:, None, None], scores, torch.zeros_like(scores))
    weights = torch.softmax(scores.masked_fill(~present, -torch.inf), -1)
    return (weights * predictions).sum(-1), weights


def fusion_weights(kind, outputs, widths, bias=False):
    """The fusion's tensors, drawn as circumplex draws them; None for a fusion without."""
    n, c = len(widths), sum(widths)
    shapes = {"attention": (outputs, c, n), "static": (outputs, n), "olb": (n,)}
    shapes |= {"olb-per-dimension": (outputs, n), "hlb": (outputs, c)}
    if kind not in shapes:
        return None
    fan_in = n if kind.startswith("olb") else c
    weight = torch.zeros(outputs, n) if kind == "static" else uniform(*shapes[kind], fan_in=fan_in)
    shape = (outputs, n) if kind == "attention" else (outputs,)
    return Weight(weight, uniform(*shape, fan_in=fan_in) if bias else None)


class Network(nn.Module):
    """A model as a checkpoint describes it. Features are {modality: [time, size]}, a NaN row is a missing frame."""

    def __init__(self, model, sizes, outputs, bias=False):
        super().__init__()
        self.model, self.outputs = model, outputs
        self.streams = nn.ModuleDict({s["name"]: Stream(s, sizes, outputs) for s in model["streams"]})
        widths = [stream.width for stream in self.streams.values()]
        self.fusion = fusion_weights(model["fusion"], outputs, widths, bias)

    def start(self):
        return [stream.start() for stream in self.streams.values()]

    def forward(self, features, begin, end, states, bypass=False):
        """z [frames, output], [(h, y, attention)] by stream, fusion weights, states."""
        results, present, after = [], [], []
        for stream, state in zip(self.streams.values(), states):
            parts = [features[name] for name in stream.spec["inputs"]]
            valid = torch.stack([~part.isnan().any(-1) for part in parts]).any(0)
            v = torch.cat([part.nan_to_num(0) for part in parts], -1)
            h, y, attention, state = stream(v, valid, begin, end, state, bypass)
            results.append((h, y, attention))
            present.append(valid[begin:end])
            after.append(state)
        h, y = [r[0] for r in results], [r[1] for r in results]
        z, weights = fuse(self.model["fusion"], self.fusion, h, y, present)
        return z, results, weights, after


def sharpen(network):
    """Scores of some size: fresh weights would attend almost uniformly."""
    for name, tensor in network.named_parameters():
        if name.endswith("attention.weight"):
            tensor.data *= 12
        if name.endswith("window.weight"):
            tensor.data.normal_()
