"""The whole job in PyTorch: train, validate, keep history and checkpoints, from start to end.

It does what ``mnistburn.train`` with its defaults does, with nothing but PyTorch: ten epochs over
60,000 images, validation on 10,000 after each, loss and accuracy of every step, a checkpoint of
model and optimizer after each epoch, and the model at the end. The images lie in memory as bytes,
and what was measured is read once in an epoch, so that no step waits for it.
"""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn


def read_idx(path: Path, header: int) -> Any:  # noqa: ANN401  a tensor
    """Return the bytes of an IDX file after its header."""
    with gzip.open(path) as file:
        return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)


def read_split(folder: Path, name: str) -> Any:  # noqa: ANN401  tensors
    """Return images and targets."""
    images = read_idx(folder / f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    return images, read_idx(folder / f"{name}-labels-idx1-ubyte.gz", 8).long()


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the IDX files")
    parser.add_argument("artifacts", type=Path, help="where history and checkpoints go")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--fused-adam", action="store_true")
    parser.add_argument("--in-place", action="store_true")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(42)
    images, targets = read_split(options.data, "train")
    valid_images, valid_targets = read_split(options.data, "t10k")
    kind = torch.channels_last if options.channels_last else torch.contiguous_format
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.Dropout(0.5, inplace=options.in_place),
        nn.Conv2d(8, 16, 3),
        nn.Dropout(0.5, inplace=options.in_place),
        nn.ReLU(inplace=options.in_place),
        nn.AdaptiveAvgPool2d(8),
        nn.Flatten(),
        nn.Linear(1024, 512),
        nn.Dropout(0.5, inplace=options.in_place),
        nn.ReLU(inplace=options.in_place),
        nn.Linear(512, 10),
    ).to(memory_format=kind)
    optimizer = torch.optim.Adam(
        net.parameters(), lr=1e-4, eps=1e-5, fused=options.fused_adam or None
    )
    loss_of = nn.CrossEntropyLoss()
    options.artifacts.mkdir(parents=True, exist_ok=True)

    def normalised(pixels: Any) -> Any:  # noqa: ANN401  tensors
        scaled = pixels.float().mul_(1 / (255 * 0.3081)).sub_(0.1307 / 0.3081)
        return scaled.to(memory_format=kind)

    def summed_up(rows: list[Any], sizes: Any) -> dict[str, Any]:  # noqa: ANN401
        loss, accuracy = torch.stack([torch.stack(row) for row in rows]).double().T
        return {
            "loss": float((loss * sizes).sum() / sizes.sum()),
            "accuracy": float((accuracy * sizes).sum() / sizes.sum()),
            "steps": {"loss": loss.tolist(), "accuracy": accuracy.tolist()},
        }

    history = []
    for epoch in range(1, options.epochs + 1):
        net.train()
        rows, sizes = [], []
        for chosen in torch.randperm(len(images)).split(64):
            expected = targets[chosen]
            optimizer.zero_grad()
            logits = net(normalised(images[chosen]))
            loss = loss_of(logits, expected)
            loss.backward()
            optimizer.step()
            rows.append([loss.detach(), (logits.argmax(1) == expected).float().mean()])
            sizes.append(len(chosen))
        train = summed_up(rows, torch.tensor(sizes))

        net.eval()
        rows, sizes = [], []
        with torch.inference_mode():
            batches = zip(valid_images.split(256), valid_targets.split(256), strict=True)
            for pixels, expected in batches:
                logits = net(normalised(pixels))
                hits = (logits.argmax(1) == expected).float().mean()
                rows.append([loss_of(logits, expected), hits])
                sizes.append(len(pixels))
        valid = summed_up(rows, torch.tensor(sizes))
        history.append({"epoch": epoch, "train": train, "valid": valid})
        state = {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(state, options.artifacts / f"checkpoint-{epoch}.pt")
        (options.artifacts / "history.json").write_text(json.dumps(history), "utf-8")
    torch.save(net.state_dict(), options.artifacts / "model.pt")


if __name__ == "__main__":
    main()
