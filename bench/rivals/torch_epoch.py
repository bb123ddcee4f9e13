"""PyTorch's side of bench/epoch.ts: a training chunk of the three-stream model; serve.py says how it is asked.

nn.LSTM for the plain streams; the attentive one is a loop: eager, scripted, or compiled.
"""
import torch

from attentive import attentive_of, plain_of
from serve import serve

STREAMS = ('audio', 'video', 'early')


class ThreeStreams(torch.nn.Module):
    """An audio LSTM, an attentive video LSTM, an LSTM over both, heads, and a fusion for each output dimension."""

    def __init__(self, tensors, window, dropout):
        super().__init__()
        of = lambda name: {
            key.removeprefix(f'streams.{name}.').removeprefix('lstm.'): t
            for key, t in tensors.items()
            if key.startswith(f'streams.{name}.')
        }
        self.audio, self.early = plain_of(of('audio'), dropout), plain_of(of('early'), dropout)
        self.video = attentive_of(of('video'), window, dropout)
        self.heads = torch.nn.ModuleDict()
        for name in STREAMS:
            weight = tensors[f'streams.{name}.head.weight']
            self.heads[name] = torch.nn.Linear(weight.shape[1], weight.shape[0])
            self.heads[name].load_state_dict({p: tensors[f'streams.{name}.head.{p}'] for p in ('weight', 'bias')})
        self.fusion = torch.nn.Parameter(tensors['fusion.weight'].clone())  # [output, context, stream]
        self.left = window // 2
        self.run_video = self.video

    def start(self, lanes):
        state = lambda model: tuple(torch.zeros(2, lanes, model.hidden_size) for _ in 'hc')
        hidden = self.video.u1.shape[1]
        return state(self.audio), tuple(torch.zeros(lanes, hidden) for _ in range(4)), state(self.early)

    def forward(self, audio, video, states):
        now = video[self.left : self.left + audio.size(0)]
        a, audio_state = self.audio(audio, states[0])
        v, *video_state = self.run_video(video, *states[1])
        e, early_state = self.early(torch.cat([audio, now], 2), states[2])
        predictions = torch.stack([self.heads[name](h) for name, h in zip(STREAMS, (a, v, e))], 3)
        scores = torch.einsum('tlc,mcs->tlms', torch.cat([a, v, e], 2), self.fusion)
        z = (torch.softmax(scores, 3) * predictions).sum(3)
        after = (audio_state, video_state, early_state)
        return z, tuple(tuple(s.detach() for s in state) for state in after)

    def gradients(self):
        """By the names that circumplex gives the parameters."""
        named = {'fusion.weight': self.fusion}
        for name, model in (('audio', self.audio), ('early', self.early)):
            named |= {f'streams.{name}.lstm.{n}': p for n, p in model.named_parameters()}
        named |= {f'streams.video.{"" if "attention" in n else "lstm."}{n}': p for n, p in self.video.named()}
        named |= {f'streams.{n.replace(".", ".head.")}': p for n, p in self.heads.named_parameters()}
        return {f'gradient.{name}': p.grad for name, p in named.items()}


def make(case, tensors):
    audio, video, target = tensors['audio'], tensors['video'], tensors['target']
    frames, lanes = audio.shape[:2]
    model = ThreeStreams(tensors, video.shape[0] - frames + 1, case['dropout'])
    model.run_video = model.video.made(case['variant'])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    carried = model.start(lanes)

    def backward(states):
        z, states = model(audio, video, states)
        torch.nn.functional.mse_loss(z, target).backward()
        return z, states

    def check():
        model.eval()
        z, _ = backward(model.start(lanes))
        found = {'z': z, **model.gradients()}
        model.train()
        optimiser.zero_grad(set_to_none=True)
        return found

    def step():
        nonlocal carried
        _, carried = backward(carried)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return check, step


serve(make)
