# SPDX-License-Identifier: BSD-3-Clause
"""cvae_parity.py CVAE_DUMP ISA: the CVAE against PyTorch in float64 on the same weights, maps and
noise: loss, embedding, every gradient, and three RMSprop steps. Exit 77 when torch is missing."""
import os
import subprocess
import sys
import tempfile

try:
    import h5py
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

torch.set_num_threads(1)
STRIDES = [1, 2, 1, 1]
worst = {}


def check(what, got, wanted, allowed):
    """Error relative to the length of the wanted array."""
    got = torch.as_tensor(got, dtype=torch.float64)
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    error = float((got - wanted).norm() / (wanted.norm() + 1e-30))
    kind = what.split(" ")[0]
    worst[kind] = max(worst.get(kind, 0.0), error)
    if not error <= allowed:
        print(f"FAILED: {what}: relative error {error:.2e}, allowed {allowed:.0e}")
        sys.exit(1)


def read(group):
    out = {}
    group.visititems(lambda name, item: out.update(
        {name: torch.tensor(item[()]).double()} if isinstance(item, h5py.Dataset) else {}))
    return out


def image(weight):
    return weight.permute(3, 2, 0, 1)  # [ky][kx][fine][coarse] as torch has it, both directions


def loss_of(p, maps, noise, half=0.5):
    n, size = maps.shape[0], maps.shape[1]
    x, sides = maps.unsqueeze(1), [size]
    for i, stride in enumerate(STRIDES):
        x = F.relu(F.conv2d(x, image(p[f"encoder/conv{i+1}/weight"]), p[f"encoder/conv{i+1}/bias"],
                            stride=stride, padding=1))
        sides.append(x.shape[2])
    shape = x.permute(0, 2, 3, 1).shape
    h = F.relu(x.permute(0, 2, 3, 1).reshape(n, -1) @ p["encoder/dense/weight"]
               + p["encoder/dense/bias"])
    mu = h @ p["latent/mean/weight"] + p["latent/mean/bias"]
    lv = h @ p["latent/log_variance/weight"] + p["latent/log_variance/bias"]
    z = mu + torch.exp(half * lv) * noise
    h = F.relu(z @ p["decoder/dense/weight"] + p["decoder/dense/bias"])
    h = F.relu(h @ p["decoder/map/weight"] + p["decoder/map/bias"])
    x = h.reshape(shape).permute(0, 3, 1, 2)
    for i in range(4):
        stride, target = STRIDES[3 - i], sides[3 - i]
        extra = target - ((x.shape[2] - 1) * stride + 1)
        x = F.conv_transpose2d(x, image(p[f"decoder/conv{i+1}/weight"]),
                               p[f"decoder/conv{i+1}/bias"], stride=stride, padding=1,
                               output_padding=extra)
        x = F.relu(x) if i < 3 else x
    bce = F.binary_cross_entropy_with_logits(x[:, 0], maps, reduction="none").sum((1, 2))
    kl = -0.5 * (1 + lv - mu * mu - lv.exp()).sum(1)
    return (bce + kl).mean(), kl.mean(), mu


def compare(path):
    with h5py.File(path) as f:
        before, gradient, after = read(f["before"]), read(f["gradient"]), read(f["after"])
        maps, noise = torch.tensor(f["maps"][()]).double(), torch.tensor(f["noise"][()]).double()
        scalars = {k: float(f.attrs[k]) for k in ("loss", "kl", "loss_after")}
        steps, mu_ours = int(f.attrs["steps"]), f["mu"][()]
    p = {k: v.clone().requires_grad_(True) for k, v in before.items()}
    optimizer = torch.optim.RMSprop(list(p.values()), lr=1e-3, alpha=0.9, eps=1e-8)
    for step in range(steps + 1):
        optimizer.zero_grad()
        loss, kl, mu = loss_of(p, maps, noise)
        if step == steps:
            break
        loss.backward()
        if step == 0:
            check("loss", scalars["loss"], loss.item(), 1e-5)
            check("divergence", scalars["kl"], kl.item(), 1e-4)
            check("embedding", mu_ours, mu.detach(), 1e-5)
            # a test that can fail: the published noise scale, without the 1/2, is told apart
            if abs(loss_of(p, maps, noise, half=1.0)[0].item() - scalars["loss"]) < 1e-3:
                sys.exit("FAILED: the check does not see a wrong noise scale")
            for name, value in p.items():
                check(f"gradient {name}", gradient[name], value.grad, 1e-4)
        optimizer.step()
    check("loss_after", scalars["loss_after"], loss.item(), 1e-3)
    for name, value in p.items():
        # RMSprop's first step is the sign of the gradient: of components that are almost zero
        # rounding decides it; and a ReLU may flip in a later step (hence 5 %; a wrong ρ of 0.8
        # moves the loss by 15 %)
        clear = gradient[name].abs() > 1e-3 * gradient[name].abs().max()
        check(f"update {name}", (after[name] - before[name])[clear],
              (value.detach() - before[name])[clear], 5e-2)
    return sum(v.numel() for v in before.values())


for size in (28, 13):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "dump.h5")
        code = subprocess.run([sys.argv[1], path, str(size), sys.argv[2]], check=False).returncode
        if code == 77:
            print(f"skipped: {sys.argv[2]} does not run here")
            sys.exit(77)
        if code:
            sys.exit(f"cvae_dump failed with {code}")
        count = compare(path)
        if size == 28 and count != 3450709:
            sys.exit(f"FAILED: {count} parameters")
print(sys.argv[2], "worst relative errors:", {k: f"{v:.1e}" for k, v in worst.items()})
