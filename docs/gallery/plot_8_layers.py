r"""
What a bounded layer is good for
================================

Spectrally normalised layers, three classical uses of them, and what happens without: a critic that
measures a distance, a memory of 60 steps, and blocks that can be inverted. The bounds are proved in
:doc:`/theory/layers`.
"""

# %%
# A critic
# --------
# A function of slope 1 cannot grow by more than 1 from a point to the unit sphere around it, which
# is their Wasserstein distance. A network with a certified bound can be held against that: the
# difference of its means over the bound is never above 1. Orthogonal layers with an activation that
# keeps the norm come close; the same norms with ReLU do not, as ReLU lets through half of the
# gradient. The usual alternatives to a cap are measured alike, by the bound that they reach:
# weights clipped to ±0.1, a penalty on spectral norms above 1, Frobenius norms instead of spectral.

import matplotlib.pyplot as plt
import torch
from torch import nn

from lipmat.plotting.draw import COLOURS, STYLE
from lipmat.spectral.activations import MaxMin
from lipmat.spectral.blocks import Residual
from lipmat.spectral.composition import settle
from lipmat.spectral.layers import SpectralLinear
from lipmat.spectral.recurrent import RecurrentCell
from lipmat.spectral.wasserstein import critic, train_critic, wasserstein_bound


def shell(n, d, g):
    """Return n points of the unit sphere."""
    x = torch.randn(n, d, generator=g, dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True)


def distance(d, width, hidden, steps, **settings):
    """Return the certified estimate of the distance of the centre and the unit sphere."""
    g = torch.Generator().manual_seed(0)
    centre = torch.zeros(1, d, dtype=torch.float64)
    network = critic(d, width, hidden, generator=g, **settings)
    train_critic(network, lambda: shell(128, d, g), lambda: centre, steps)
    return wasserstein_bound(network, shell(20000, d, g), centre)


sizes = {1: (16, 2, 100), 2: (32, 4, 200), 16: (64, 3, 200)}
relu = {"cap": "hard", "activation": nn.ReLU}
normal = [distance(d, *size) for d, size in sizes.items()]
stalled = [distance(d, *size, **relu) for d, size in sizes.items()]


def alternative(method):
    """Return the estimate in two dimensions of an ordinary critic that is held by a method."""
    g, d = torch.Generator().manual_seed(0), 2
    torch.manual_seed(0)
    layers = [layer for a in (d, 32, 32, 32) for layer in (nn.Linear(a, 32), MaxMin())]
    network = nn.Sequential(*layers, nn.Linear(32, 1)).double()
    weights = [m.weight for m in network if isinstance(m, nn.Linear)]
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    centre = torch.zeros(1, d, dtype=torch.float64)
    for _ in range(200):
        gain = network(shell(128, d, g)).mean() - network(centre).mean()
        norms = torch.stack([torch.linalg.matrix_norm(w, 2) for w in weights])
        if method == "Frobenius":
            gain = gain / torch.stack([w.norm() for w in weights]).prod()
        if method == "penalty":
            gain = gain - 10.0 * (norms - 1.0).clamp_min(0.0).square().sum()
        optimiser.zero_grad()
        (-gain).backward()
        optimiser.step()
        if method == "clipping":
            with torch.no_grad():
                for weight in weights:
                    weight.clamp_(-0.1, 0.1)
    return wasserstein_bound(network, shell(20000, d, g), centre)


others = {name: alternative(name) for name in ("clipping", "Frobenius", "penalty")}
for d, a, b in zip(sizes, normal, stalled, strict=True):
    print(f"d = {d:2}: orthogonal with MaxMin {a:.3f}, norm 1 with ReLU {b:.3f}; exact 1")
print("d =  2, by", ", ".join(f"{name} {value:.3f}" for name, value in others.items()))

# %%
# A memory
# --------
# One of eight symbols is shown, then noise for 60 steps, then the symbol is asked for. A map of
# norm 0.8 keeps 1.5e-6 of it, which the noise buries; an orthogonal one keeps all.

STEPS, CLASSES = 60, 8


def sequences(n, g):
    """Return a symbol followed by noise, and its number."""
    label = torch.randint(CLASSES, (n,), generator=g)
    x = 0.05 * torch.randn(n, STEPS + 1, CLASSES, generator=g, dtype=torch.float64)
    x[:, 0] = torch.eye(CLASSES, dtype=torch.float64)[label]
    return x, label


def recall(cap, target, steps=140):
    """Return the share of symbols that are recalled, along the training."""
    g = torch.Generator().manual_seed(0)
    cell = RecurrentCell(CLASSES, 64, MaxMin(), cap=cap, target=target, generator=g)
    readout = nn.Linear(64, CLASSES, dtype=torch.float64)
    nn.init.normal_(readout.weight, std=0.5, generator=g)
    optimiser = torch.optim.Adam([*cell.parameters(), *readout.parameters()], 2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    shares = []
    for i in range(steps):
        x, label = sequences(32, g)
        loss = nn.functional.cross_entropy(readout(cell.run(x)[:, -1]), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if i % 10 == 9:
            x, label = sequences(250, g)
            with torch.no_grad():
                found = readout(cell.run(x)[:, -1]).argmax(1)
            shares.append(float((found == label).double().mean()))
    return shares


remembered, forgotten = recall("orthogonal", 1.0), recall("soft", 0.8)
print(f"recalled: orthogonal {remembered[-1]:.2f}, norm 0.8 {forgotten[-1]:.2f}, chance 0.12")

# %%
# Blocks that can be inverted
# ---------------------------
# Four blocks x + 0.9 f(x) are trained to tell two interleaved half circles. With the norm of f
# capped at 1 the fixed point of the inverse is a contraction of 0.9 at least: 20 steps promise
# 0.9^20 = 0.12 and no more. Mixed from the last steps (Anderson) it is far better here. Without the
# cap the inverse diverges.


def moons(n, g):
    """Return points of two half circles and their numbers."""
    angle = torch.pi * torch.rand(n, generator=g, dtype=torch.float64)
    label = torch.randint(2, (n,), generator=g)
    sign = 1.0 - 2.0 * label
    x = torch.stack([label + sign * angle.cos(), 0.5 * label + sign * angle.sin()], 1)
    return x + 0.1 * torch.randn(n, 2, generator=g, dtype=torch.float64), label


def blocks(dense):
    """Return trained blocks of layers that ``dense`` makes."""
    g = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    widths = ((2, 32), (32, 32), (32, 2))
    branches = [
        [layer for a, b in widths for layer in (dense(a, b), nn.ELU())][:-1] for _ in range(4)
    ]
    network = nn.Sequential(*(Residual(nn.Sequential(*branch), 0.9) for branch in branches))
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(200):
        x, label = moons(128, g)
        optimiser.zero_grad()
        nn.functional.cross_entropy(5.0 * network(x), label).backward()
        optimiser.step()
    settle(network.eval())
    return network


def errors(network, memory, counts):
    """Return the largest error of the inverse after each of the numbers of steps."""
    x, _ = moons(100, torch.Generator().manual_seed(1))
    out = []
    with torch.no_grad():
        for n in counts:
            y = network(x)
            for block in reversed(network):
                if memory is None:
                    z = y
                    for _ in range(n):
                        z = y - block.share * block.branch(z)
                    y = z
                else:
                    y = block.inverse(y, n, memory)
            out.append(float((y - x).abs().max()))
    return out


counts = range(2, 41, 2)
capped = blocks(SpectralLinear)
free = blocks(lambda a, b: nn.Linear(a, b, dtype=torch.float64))
plain, mixed = errors(capped, 0, counts), errors(capped, 3, counts)
diverging = errors(free, None, counts)
print(f"after 20: plain {plain[9]:.1e}, mixed {mixed[9]:.1e}, without cap {diverging[9]:.1e}")

# %%
with plt.rc_context(STYLE):
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    bars = {f"orthogonal,\nd = {d}": value for d, value in zip(sizes, normal, strict=True)}
    bars |= {f"ReLU,\nd = {d}": value for d, value in zip(sizes, stalled, strict=True)}
    bars |= {f"{name},\nd = 2": value for name, value in others.items()}
    colours = [COLOURS[0]] * 3 + [COLOURS[1]] * 3 + [COLOURS[3]] * 3
    left.barh(list(bars), list(bars.values()), color=colours)
    left.axvline(1.0, color="#444444", lw=1)
    left.invert_yaxis()
    left.set(title="Distance of a point and its unit sphere", xlim=(0, 1.05))
    left.tick_params(axis="y", labelsize=7)
    steps = range(10, 141, 10)
    middle.plot(steps, remembered, color=COLOURS[0], label="orthogonal")
    middle.plot(steps, forgotten, color=COLOURS[1], label="norm 0.8")
    middle.axhline(1 / CLASSES, color="#444444", ls=":", lw=1, label="chance")
    middle.set(title="First symbol recalled after 60 steps", xlabel="training", ylim=(0, 1.05))
    middle.legend()
    right.semilogy(counts, mixed, color=COLOURS[0], label="capped, mixed")
    right.semilogy(counts, plain, color=COLOURS[2], label="capped, plain")
    right.semilogy(counts, diverging, color=COLOURS[1], label="not capped")
    right.set(title="Error of the inverse", xlabel="evaluations", ylim=(1e-16, 1e16))
    right.legend()
plt.show()
