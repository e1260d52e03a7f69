"""The training step of a GPT in PyTorch, timed in turns: the protocol is that of Opponent.ts.

Arguments: threads, precision (f32 or bf16), pytorch or pytorch-compiled, which is torch.compile, and the shape as JSON. The model is nanoGPT's: layer norm first, GELU, learned
positions, output tied to the embedding, biases; AdamW with decay on matrices, gradients clipped to norm 1.
"""
import json
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

SHAPE = json.loads(sys.argv[4])
BATCH, TIME, VOCABULARY, WIDTH, HEADS, LAYERS = (
    SHAPE[name] for name in ("batch", "time", "vocabulary", "width", "heads", "layers")
)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.register_buffer("mask", torch.tril(torch.ones(TIME, TIME, dtype=torch.bool)), persistent=False)

    def attend(self, x):
        b, t, c = x.shape
        q, k, v = (y.view(b, t, HEADS, c // HEADS).transpose(1, 2) for y in self.qkv(x).split(WIDTH, dim=2))
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) * (c // HEADS) ** -0.5
            y = F.softmax(scores.masked_fill(~self.mask, float("-inf")), dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(b, t, c))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(TIME, WIDTH)
        self.blocks, self.norm = nn.ModuleList(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions(torch.arange(TIME))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, VOCABULARY).float(), targets.view(-1))


def stepper(precision, compiled):
    torch.manual_seed(1)
    model = Model()
    forward = torch.compile(model) if compiled else model
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    ids = torch.randint(VOCABULARY, (BATCH, TIME))
    targets = torch.randint(VOCABULARY, (BATCH, TIME))

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = forward(ids, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def answer(values):
    print(json.dumps(values), flush=True)


def main(threads, precision, way):
    torch.set_num_threads(int(threads))
    step = stepper(precision, way == "pytorch-compiled")
    for _ in range(3):  # the first compiles and touches memory for the first time
        step()
    answer({"version": torch.__version__})
    for line in sys.stdin:
        end, times = time.perf_counter() + float(line), []
        while not times or time.perf_counter() < end:
            started = time.perf_counter()
            step()
            times.append(1000 * (time.perf_counter() - started))
        answer({"times": times})


try:
    main(*sys.argv[1:4])
except Exception as error:
    answer({"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"})
