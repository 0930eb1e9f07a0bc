"""A PyTorch training loop that records what its optimizer does, with `HealthWriter`; no Keras and no TensorFlow in it.

    pip install torch scikit-learn
    python examples/pytorch_loop.py
    adamax-tb check runs
    tensorboard --logdir runs

Look at the curve update/weight of `0/weight`: about a thousandth, within the range that healthy runs have.
`docs/guide/pytorch.md` says what each line does.
"""

import adamax_tb

print("Starting PyTorch (some seconds)", flush=True)
import torch  # noqa: E402 - it is what takes the seconds
from sklearn.datasets import load_digits  # noqa: E402 - as above

torch.manual_seed(0)
torch.set_num_threads(1)  # the network is too small for more
pixels, digits = load_digits(return_X_y=True)
images, labels = torch.tensor(pixels / 8 - 1, dtype=torch.float32), torch.tensor(digits)

model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.Adamax(model.parameters(), lr=2e-3)
loss_function = torch.nn.CrossEntropyLoss()


def batches(epochs=20, size=64):
    """Yields images and labels, each epoch in another order."""
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(size):
            yield images[rows], labels[rows]


NAMES = ("gradient_norm", "weight_norm", "update_ratio", "m_rms", "u_mean", "u_max", "loss")


@torch.no_grad()
def measured(before, loss):
    """Returns what `HealthWriter.write` takes, after a step from the weights `before`."""
    columns = []
    for p, old in zip(model.parameters(), before, strict=True):
        m, u = optimizer.state[p]["exp_avg"], optimizer.state[p]["exp_inf"]
        sizes = p.grad.norm(), p.norm(), (p - old).norm() / p.norm()
        columns.append(torch.stack([*sizes, m.square().mean().sqrt(), u.mean(), u.max(), loss]))
    rows = torch.stack(columns, dim=1).cpu()  # the only transfer from the device
    return dict(zip(NAMES, rows, strict=True)) | {"loss": rows[-1, 0]}


layers = {name.replace(".", "/"): p.shape[::-1] for name, p in model.named_parameters()}
settings = {"learning_rate": 2e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
with adamax_tb.HealthWriter("runs/pytorch", layers, "Adamax", settings) as health:
    for step, (x, y) in enumerate(batches(), start=1):
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        is_recorded = step == 1 or step % 10 == 0
        if is_recorded:
            before = [p.detach().clone() for p in model.parameters()]
        optimizer.step()
        if is_recorded:
            rate = optimizer.param_groups[0]["lr"]
            health.write(step, {"learning_rate": rate, **measured(before, loss)})

print(f"Loss {loss:.3f} after {step} steps, recorded in runs/pytorch")
