"""One training step of the reference model in PyTorch, timed: what a user would take instead of Trainyard.

    python3 packages/backends/src/bench/pytorch.py [--threads 2] [--precision f32|bf16] [--steps 10]

Written from the model's description (GPT-2's layout with tied weights, AdamW, gradients clipped to norm 1), for comparison only.
Prints one JSON line in the form of `trainyard bench --json`.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

BATCH, TIME, VOCABULARY, WIDTH, HEADS, LAYERS = 8, 128, 10_000, 256, 8, 4


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before_attention = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.projection = nn.Linear(WIDTH, WIDTH)
        self.before_mlp = nn.LayerNorm(WIDTH)
        self.rise = nn.Linear(WIDTH, 4 * WIDTH)
        self.fall = nn.Linear(4 * WIDTH, WIDTH)
        visible = torch.tril(torch.ones(TIME, TIME, dtype=torch.bool))
        self.register_buffer("hidden", ~visible, persistent=False)

    def attend(self, x):
        batch, time_, _ = x.shape
        parts = self.qkv(x).view(batch, time_, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = parts[0], parts[1], parts[2]
        scores = (q @ k.transpose(-2, -1)) * (WIDTH // HEADS) ** -0.5
        weights = scores.masked_fill(self.hidden, float("-inf")).softmax(-1)
        return self.projection((weights @ v).transpose(1, 2).reshape(batch, time_, WIDTH))

    def forward(self, x):
        x = x + self.attend(self.before_attention(x))
        return x + self.fall(functional.gelu(self.rise(self.before_mlp(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(TIME, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.last = nn.LayerNorm(WIDTH)

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.positions(torch.arange(TIME))
        logits = functional.linear(self.last(self.blocks(x)), self.tokens.weight)
        return functional.cross_entropy(logits.view(-1, VOCABULARY), targets.view(-1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
    tokens = torch.randint(VOCABULARY, (BATCH, TIME))
    targets = torch.randint(VOCABULARY, (BATCH, TIME))
    times = []
    for step in range(options.steps + 3):
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "bf16"):
            loss = model(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step >= 3:
            times.append((time.perf_counter() - started) * 1000)
    median = statistics.median(times)
    print(
        json.dumps(
            {
                "engine": f"pytorch {torch.__version__}",
                "precision": options.precision,
                "threads": options.threads,
                "what": "train-step",
                "stepMilliseconds": median,
                "tokensPerSecond": BATCH * TIME / median * 1000,
                "gflops": None,
                "shareOfPeak": None,
            }
        )
    )


main()
