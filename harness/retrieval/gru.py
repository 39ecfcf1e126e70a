"""A small gated recurrent unit in numpy: forward, back-propagation through time, Adam, and nothing else.

Cho et al., EMNLP 2014, with the update gate's sense of Chung et al., 2014: h' = (1 - z) h + z c. The unit's last state
corrects a given base vector; the loss is the softmax over the batch's targets (each row's own target is the right one).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Weights", "corrected", "initial", "loss_and_gradients", "train"]

Array = NDArray[Any]
Weights = dict[str, Array]  # input (d, 3h), state (h, 3h), bias (3h,), out (h, d); gates in the order z, r, c

_TEMPERATURE = 0.05


def initial(width: int, hidden: int, rng: np.random.Generator) -> Weights:
    """Float32 weights; `out` starts at zero, so that an untrained unit returns its base."""
    def scaled(*shape: int) -> Array:
        return np.asarray(rng.standard_normal(shape) / np.sqrt(shape[0]), dtype=np.float32)

    return {"input": scaled(width, 3 * hidden), "state": scaled(hidden, 3 * hidden),
            "bias": np.zeros(3 * hidden, np.float32), "out": np.zeros((hidden, width), np.float32)}


def corrected(weights: Weights, inputs: Array, base: Array) -> Array:
    """(n, d) base plus the unit's correction after reading (n, steps, d) inputs, oldest first."""
    states, _ = _run(weights, inputs)
    return np.asarray(base + states[-1] @ weights["out"])


def loss_and_gradients(
    weights: Weights, inputs: Array, base: Array, targets: Array, rival: Array
) -> tuple[float, Weights]:
    """Mean softmax loss of a batch, and its gradient by every weight.

    Args:
        weights: As `initial` gives them.
        inputs: (n, steps, d).
        base: (n, d).
        targets: (n, d), row i the right answer of row i.
        rival: (n, n) bool, true where target j is a wrong answer for row i; the diagonal is ignored.
    """
    n = len(base)
    states, kept = _run(weights, inputs)
    logits = (base + states[-1] @ weights["out"]) @ targets.T / _TEMPERATURE
    logits = np.where(rival | np.eye(n, dtype=np.bool_), logits, -np.inf)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    share = shifted / shifted.sum(axis=1, keepdims=True)
    loss = float(-np.log(np.maximum(np.diagonal(share), 1e-30)).mean())
    upstream = (share - np.eye(n, dtype=share.dtype)) @ targets / (_TEMPERATURE * n)
    gradients = _back(weights, inputs, states, kept, upstream @ weights["out"].T)
    return loss, gradients | {"out": states[-1].T @ upstream}


def train(
    weights: Weights, inputs: Array, base: Array, targets: Array, answers: Array, *, rng: np.random.Generator,
    epochs: int, batch: int = 128, rate: float = 1e-3, decay: float = 1e-4,
) -> tuple[Weights, list[float]]:
    """Adam (Kingma & Ba 2015, decoupled decay) over shuffled batches; returns the weights and each epoch's mean loss.

    `answers` (n,) name the targets: two rows with the same answer are no rivals of each other.
    """
    weights = {name: value.copy() for name, value in weights.items()}
    first, second = ({name: np.zeros_like(value) for name, value in weights.items()} for _ in range(2))
    losses, step = [], 0
    for _ in range(epochs):
        order, total = rng.permutation(len(base)), 0.0
        for rows in np.split(order, range(batch, len(order), batch)):
            step += 1
            rival = answers[rows][:, None] != answers[rows][None, :]
            loss, gradients = loss_and_gradients(weights, inputs[rows], base[rows], targets[rows], rival)
            total += loss * len(rows)
            for name, gradient in gradients.items():
                first[name] += 0.1 * (gradient - first[name])
                second[name] += 0.001 * (gradient**2 - second[name])
                move = first[name] / (1 - 0.9**step) / (np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8)
                weights[name] -= (rate * (move + decay * weights[name])).astype(weights[name].dtype)
        losses.append(total / len(base))
    return weights, losses


def _run(weights: Weights, inputs: Array) -> tuple[list[Array], list[tuple[Array, Array, Array]]]:
    # States before and after each step, and the gates (z, r, c) of each step.
    hidden = weights["state"].shape[0]
    states = [np.zeros((len(inputs), hidden), inputs.dtype)]
    kept = []
    for step in range(inputs.shape[1]):
        from_input = inputs[:, step] @ weights["input"] + weights["bias"]
        before, split = states[-1], 2 * hidden
        gates = _sigmoid(from_input[:, :split] + before @ weights["state"][:, :split])
        update, reset = gates[:, :hidden], gates[:, hidden:]
        candidate = np.tanh(from_input[:, split:] + (reset * before) @ weights["state"][:, split:])
        states.append((1 - update) * before + update * candidate)
        kept.append((update, reset, candidate))
    return states, kept


def _back(
    weights: Weights, inputs: Array, states: list[Array], kept: list[tuple[Array, Array, Array]], flow: Array
) -> Weights:
    # `flow`: gradient by the last state; walks back through the steps.
    state, split = weights["state"], 2 * weights["state"].shape[0]
    total = {name: np.zeros_like(weights[name]) for name in ("input", "state", "bias")}
    for step in reversed(range(inputs.shape[1])):
        before, (update, reset, candidate) = states[step], kept[step]
        by_candidate = flow * update * (1 - candidate**2)
        by_reset_state = by_candidate @ state[:, split:].T
        by_update = flow * (candidate - before) * update * (1 - update)
        by_reset = by_reset_state * before * reset * (1 - reset)
        gates = np.hstack([by_update, by_reset])
        every = np.hstack([gates, by_candidate])
        total["input"] += inputs[:, step].T @ every
        total["bias"] += every.sum(axis=0)
        total["state"][:, :split] += before.T @ gates
        total["state"][:, split:] += (reset * before).T @ by_candidate
        flow = flow * (1 - update) + by_reset_state * reset + gates @ state[:, :split].T
    return total


def _sigmoid(values: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)))
