# SPDX-License-Identifier: BSD-3-Clause
"""regressor.py BENCH_REGRESSOR OUT.json [--short]: the papers' network (5-512-256-149) on one core
against PyTorch on the same machine: predictions and training. Two persistent workers take short
turns, so that both see the same noise; rates are by processor time; of PyTorch the best of its
settings counts. Then retraining in seconds, and queries of hulls."""
import json
import os
import subprocess
import sys
import time

SIZES = [5, 512, 256, 149]
TURNS = 7
PEERS = [os.environ.get("PEER_PYTHON", "/tmp/peers/dpt/bin/python3"), "/usr/bin/python3"]


def torch_worker():
    import torch
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    nn = torch.nn

    def network():
        return nn.Sequential(nn.Linear(5, 512), nn.ReLU(True), nn.Dropout(0.15),
                             nn.Linear(512, 256), nn.Sigmoid(), nn.Dropout(0.15),
                             nn.Linear(256, 149))

    x, y = torch.rand(4096, 5), torch.rand(4096, 149)
    models = {}

    def members(k, kind):
        if (k, kind) not in models:
            nets = [network() for _ in range(k)]
            how = {kind: True} if kind in ("foreach", "fused") else {"foreach": False}
            models[k, kind] = [(m, torch.optim.Adam(m.parameters(), lr=1e-4, **how)) for m in nets]
        return models[k, kind]

    def predict(k, n, batch):
        nets = [m.eval() for m, _ in members(k, "predict")]
        with torch.inference_mode():
            for _ in range(n):
                for i in range(0, 4096, batch):
                    a = [m(x[i:i + batch]) for m in nets]
                    if k > 1:
                        a = torch.stack(a)
                        a.mean(0), a.std(0)
        return n * 4096

    def train(k, n, kind):
        for net, optimizer in members(k, kind):
            net.train()
            for _ in range(n):
                order = torch.randperm(1024)
                for i in range(0, 1024, 32):
                    rows = order[i:i + 32]
                    optimizer.zero_grad(set_to_none=True)
                    loss = nn.functional.mse_loss(net(x[rows]), y[rows])
                    loss.backward()
                    optimizer.step()
        return k * n * 1024

    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        what, k, n, *how = line.split()
        k, n = int(k), int(n)
        began = time.process_time()
        if what == "predict":
            done = predict(k, n, int(how[0]))
        else:
            done = train(k, n, how[0])
        print(json.dumps({"per_s": done / (time.process_time() - began)}), flush=True)


class Worker:
    def __init__(self, command, **more):
        environment = dict(os.environ, OMP_WAIT_POLICY="passive", OPENBLAS_NUM_THREADS="1", **more)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        self.about = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("a worker ended early")
        return json.loads(line)

    def ask(self, request):
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        return self.answer()


def torches():
    """Workers of PyTorch: the first of the peers that has it; one without MKL also with OpenBLAS told
    that the processor has AVX-512. Debian's takes the slow reference BLAS unless OpenBLAS is there."""
    for python in PEERS:
        asked = subprocess.run([python, "-c", "import torch; print(torch.backends.mkl.is_available())"],
                               check=False, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               text=True) if os.path.exists(python) else None
        if asked and asked.returncode == 0:
            break
    else:
        return {}
    command = [python, __file__, "worker"]
    if asked.stdout.strip() == "True":
        return {"MKL": Worker(command)}
    return {"BLAS as found": Worker(command),
            "OPENBLAS_CORETYPE=SKYLAKEX": Worker(command, OPENBLAS_CORETYPE="SKYLAKEX")}


def compare(ours, others, request, variants):
    """Rates: ours, and of each of PyTorch's settings; the ratio to the best is by turns."""
    wanted = [(f"{name}, {v}", worker, v) for name, worker in others.items() for v in variants]
    ours.ask(request)
    for _, worker, v in wanted:
        worker.ask(f"{request} {v}")
    rates, theirs = [], {name: [] for name, _, _ in wanted}
    for _ in range(TURNS):
        rates.append(ours.ask(request)["per_s"])
        for name, worker, v in wanted:
            theirs[name].append(worker.ask(f"{request} {v}")["per_s"])
    out = {"per_s": median(rates), "per_s_best": max(rates)}
    if theirs:
        best = max(theirs, key=lambda name: median(theirs[name]))
        out["pytorch"] = {name: round(median(values)) for name, values in theirs.items()}
        out["pytorch_best_setting"] = best
        out["ratio"] = round(median([a / b for a, b in zip(rates, theirs[best])]), 2)
    return out


def median(values):
    return sorted(values)[len(values) // 2]


def main():
    command, out = sys.argv[1], sys.argv[2]
    ours, others = Worker([command]), torches()
    version = next(iter(others.values())).about["version"] if others else None
    fused = ["fused"] if version and int(version.split(".")[0]) >= 2 else []
    result = {
        "what": "regressor 5-512-256-149, one core, rates by processor time",
        "cpu": next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                     if line.startswith("model name")), "?"),
        "load": os.getloadavg()[0],
        "commit": subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
        **ours.about,
        "gemm_gflops": ours.ask("gemm"),
        "pytorch_version": version,
        "predict": compare(ours, others, "predict 1 4", [128, 1024]),
        "predict_ensemble_of_5": compare(ours, others, "predict 5 1", [128, 1024]),
        "train": compare(ours, others, "train 1 2", ["loop", "foreach", *fused]),
    }
    for key, work in [("predict", "flops_predict"), ("train", "flops_train")]:
        result[key]["gflops"] = round(result[key]["per_s"] * result[work] * 1e-9, 1)
    if "--short" not in sys.argv:
        result["learn"] = ours.ask("learn 500")
    result["hull"] = [ours.ask(f"hull {n} {d}") for n, d in
                      [(1000, 5), (10000, 5), (1000, 10), (1000, 20), (100000, 5), (100000, 20)]]
    with open(out, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(json.dumps(result, indent=1))


if len(sys.argv) > 1 and sys.argv[1] == "worker":
    torch_worker()
else:
    main()
