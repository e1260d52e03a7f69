"""Trains nanoGPT's model with its usual settings in PyTorch on a Trainyard data set, for given minutes, and measures it as `validate` does.

Usage: nanogpt.py DATASET_FOLDER --minutes M [--threads 2] [--seed 1] [--width 256 --layers 4 --heads 8] [--time 256] [--batch 4]
                  [--dropout 0.2] [--rate 1e-3] [--compile]
Prints one JSON object: parameters, steps, tokens, seconds, loss, bitsPerByte, documents.

The model: layer norm first, GELU, learned positions, output tied to the embedding, no biases. AdamW (0.9, 0.99), decay 0.1 on matrices,
gradients clipped to norm 1, warm-up of 100 steps, cosine to a tenth of the rate; the state with the least validation loss is measured.
Source: the README and train_shakespeare_char configuration of github.com/karpathy/nanoGPT.
"""
import argparse
import copy
import json
import math
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

arguments = argparse.ArgumentParser()
arguments.add_argument("dataset")
arguments.add_argument("--minutes", type=float, required=True)
for name, kind, value in [
    ("threads", int, 2), ("seed", int, 1), ("width", int, 256), ("layers", int, 4), ("heads", int, 8),
    ("time", int, 256), ("batch", int, 4), ("dropout", float, 0.2), ("rate", float, 1e-3), ("documents", int, 0),
]:
    arguments.add_argument(f"--{name}", type=kind, default=value)
arguments.add_argument("--compile", action="store_true")
options = arguments.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(options.seed)
T = options.time

about = json.load(open(f"{options.dataset}/dataset.json"))
vocabulary, end = about["vocabularySize"], about["endTokenId"]
listed = [json.loads(line) for line in open(f"{options.dataset}/documents.jsonl")]


def tokens_of(split):
    raw = np.fromfile(f"{options.dataset}/{split}.bin", np.uint16 if about["tokenBytes"] == 2 else np.uint32)
    return torch.from_numpy(raw.astype(np.int64))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        w = options.width
        self.norm1, self.norm2 = nn.LayerNorm(w, bias=False), nn.LayerNorm(w, bias=False)
        self.qkv, self.out = nn.Linear(w, 3 * w, bias=False), nn.Linear(w, w, bias=False)
        self.up, self.down = nn.Linear(w, 4 * w, bias=False), nn.Linear(4 * w, w, bias=False)
        self.drop = nn.Dropout(options.dropout)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (y.view(b, t, options.heads, -1).transpose(1, 2) for y in self.qkv(self.norm1(x)).split(c, dim=2))
        rate = options.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
        x = x + self.drop(self.out(y.transpose(1, 2).reshape(b, t, c)))
        return x + self.drop(self.down(F.gelu(self.up(self.norm2(x)))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, options.width), nn.Embedding(T, options.width)
        self.blocks = nn.ModuleList(Block() for _ in range(options.layers))
        self.norm, self.drop = nn.LayerNorm(options.width, bias=False), nn.Dropout(options.dropout)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * options.layers) if residual else 0.02)

    def losses(self, ids, targets):
        x = self.drop(self.tokens(ids) + self.positions.weight[: ids.shape[1]])
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none").view(targets.shape)


def measure(model, split):
    """Nats, tokens and bytes of a split: each document alone, in windows of T that go on by T / 2."""
    ids, nats, tokens, size = tokens_of(split), 0.0, 0, 0
    documents = [each for each in listed if each["split"] == split]
    model.eval()
    with torch.no_grad():
        for each in documents[: options.documents or None]:
            text = torch.cat([torch.tensor([end]), ids[each["start"] : each["start"] + each["tokens"]]])
            done = 0
            while done < len(text) - 1:
                low = min(max(0, done - T // 2), max(0, len(text) - 1 - T))
                high = min(len(text) - 1, low + T)
                nats += model.losses(text[None, low:high], text[None, low + 1 : high + 1])[0, done - low :].sum().item()
                done = high
            tokens, size = tokens + each["tokens"], size + each["bytes"]
    model.train()
    return nats, tokens, size


train = tokens_of("train")
model = Model()
matrices = [p for p in model.parameters() if p.dim() >= 2]
vectors = [p for p in model.parameters() if p.dim() < 2]
groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.99))
losses = torch.compile(model.losses) if options.compile else model.losses
best, kept, step, began = math.inf, None, 0, time.perf_counter()
budget = 60 * options.minutes
evaluated = 0.0
while (passed := time.perf_counter() - began) < budget:
    # The length of training is given in time, so the schedule follows the share of it that has passed.
    decayed = options.rate * (0.1 + 0.45 * (1 + math.cos(math.pi * passed / budget)))
    for group in optimizer.param_groups:
        group["lr"] = decayed * min(1, (step + 1) / 100)
    starts = torch.randint(len(train) - T - 1, (options.batch,))
    ids = torch.stack([train[s : s + T] for s in starts])
    targets = torch.stack([train[s + 1 : s + T + 1] for s in starts])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = losses(ids, targets).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    step += 1
    if step % 250 == 0:
        nats, count, _ = measure(model, "validation")
        if nats / count < best:
            best, kept = nats / count, copy.deepcopy(model.state_dict())
seconds = time.perf_counter() - began
nats, count, _ = measure(model, "validation")
if kept is not None and best < nats / count:
    model.load_state_dict(kept)
nats, count, size = measure(model, "test" if "test" in about else "validation")
print(json.dumps({
    "torch": torch.__version__, "parameters": sum(p.numel() for p in model.parameters()), "steps": step,
    "tokens": step * options.batch * T, "seconds": round(seconds, 1), "loss": nats / count,
    "bitsPerByte": nats / math.log(2) / size, "bytes": size, "evaluatedTokens": count,
}))
