"""Codebooks: one code per class, for the methods that learn towards fixed codes.

The codes of two classes differ in d bits or more, where d is the least distance of the codebook. A query of class A is
nearer to the code of A than to that of any other class if fewer than d / 2 of its bits are wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.interfaces import Float, Unsuitable

CodebookName = Literal[
    "linear", "greedy", "bernoulli", "balanced", "hadamard", "hadamard_greedy", "fish", "label_net"
]  # fmt: skip
"""How the codes of the classes are drawn. No two classes have the same code but where it says "may repeat".

"linear": words of a binary linear code found by search, as a rule the farthest apart of these draws
"greedy": random codes one after the other, each the draw out of TRIES that is farthest from its nearest predecessor
"bernoulli": each bit by itself, 0 or 1 by chance (DPN, and the published code of OrthoHash); may repeat
"balanced": half of a code's bits are 1, by chance (published code of CSQ, for lengths without a matrix); may repeat
"hadamard": rows of a Hadamard matrix and their negatives, or "bernoulli" where the length is no power of two or the
    classes are more than two for each bit (CSQ, section 3.2); may repeat there
"hadamard_greedy": the same, with "greedy" in place of "bernoulli"
"fish": signs of a factor of the labels in a random rotation (published code of FISH); may repeat
"label_net": signs of a small network of the labels, trained for 200 steps (published code of PSLDH); may repeat
"""

Bits = NDArray[np.uint8]
Columns = NDArray[np.int64]
Draw = Callable[[int, int, np.random.Generator], Float]

TRIES = 200
STARTS, STEPS, DRAWN = 2, 1500, 16
"""Of the search for a linear code: random starts, steps from each start, and columns drawn at a step."""
FISH_ROUNDS, FISH_DELTA = 15, 1e-4
NET_STEPS, NET_WIDTH, NET_RATE, NET_DECAY = 200, 512, 1e-3, 1e-5
NET_BALANCE, NET_QUANTISATION = 0.05, 0.01
"""Of the network of PSLDH: the weights of its second and third term."""
BLOCK_ROWS = 1024


def draw(name: CodebookName, classes: int, bits: int, rng: np.random.Generator) -> Float:
    """A code for each class, ±1 float32 [classes, bits], drawn as `CodebookName` says.

    Raises Unsuitable: no two codes may be equal, and there are more classes than codes of that length.
    """
    return DRAWS[name](classes, bits, rng)


def figures(codebook: Float) -> dict[str, float]:
    """Of a codebook, ±1 [classes, bits]: the least Hamming distance between the codes of two classes, and the number of
    pairs of classes whose codes are equal.
    """
    classes, bits = codebook.shape
    least, equal = bits, 0
    for start in range(0, classes, BLOCK_ROWS):
        products = codebook[start : start + BLOCK_ROWS] @ codebook.T
        later = np.triu(np.ones(products.shape, np.bool_), k=start + 1)
        distances = (bits - products[later]) / 2
        least, equal = min(least, int(distances.min(initial=bits))), equal + int((distances == 0).sum())
    return {"codebook_distance": least, "codebook_equal": equal}


def linear_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """Words of a linear code, chosen at random, all with the same random word added, so that no class has the word 0.

    Raises Unsuitable: there are more classes than codes of that length.
    """
    _check_room(classes, bits)
    words = code_words(linear_code(max(1, (classes - 1).bit_length()), bits, rng))
    chosen = words[rng.choice(len(words), classes, replace=False)]
    return _signs(chosen ^ rng.integers(0, 2, bits, np.uint8))


def linear_code(dimension: int, bits: int, rng: np.random.Generator) -> Bits:
    """The generator matrix, 0 and 1 [dimension, bits], of a linear code whose words are far apart: the best of some
    searches.

    The distance of two words is the weight of their sum, which is a word too. So the least distance of the code is the
    least weight of a word other than 0. Every bit is 1 in half of the words.

    A column of the matrix is an integer of ``dimension`` bits. Searches start from random columns behind the units,
    which make all words distinct, and from columns with the highest bit, as many different ones as there are: where
    there is one of each, the words are rows of a Hadamard matrix and their negatives. One more search adds a parity bit
    to a shorter code, which raises an odd distance.
    """
    messages, highest = np.arange(1, 2**dimension), 1 << (dimension - 1)
    units = 1 << np.arange(dimension)
    starts = [np.append(units, rng.integers(1, 2**dimension, bits - dimension)) for _ in range(STARTS)]
    found = [_climbed(start, messages, rng) for start in [*starts, highest | np.arange(bits) % highest]]
    if bits > dimension:
        shorter = _climbed(starts[0][:-1], messages, rng)
        found.append(np.append(shorter, np.bitwise_xor.reduce(shorter) or highest))
    best = max(found, key=lambda columns: _quality(_products(messages, columns[:, None]).sum(axis=0)))
    return (best >> np.arange(dimension)[:, None] & 1).astype(np.uint8)


def code_words(generator: Bits) -> Bits:
    """All words of a linear code, 0 and 1 [2^dimension, bits]: the sums modulo 2 of rows of its generator matrix."""
    words = np.zeros((1, generator.shape[1]), np.uint8)
    for row in generator:
        words = np.concatenate([words, words ^ row])
    return words


def _climbed(start: Columns, messages: Columns, rng: np.random.Generator) -> Columns:
    """The columns of a linear code after STEPS changes of one that did not make it worse.

    The product of a column and a message is a bit of the message's word. A step replaces a column by that of some
    random ones which adds most to the lightest words. Messages are all but 0.
    """
    columns = start.copy()
    weights = _products(messages, columns[:, None]).sum(axis=0)
    for place in rng.integers(0, len(columns), STEPS):
        without = weights - _products(messages, columns[place])
        lightest = messages[without == without.min()]
        drawn = rng.integers(1, len(messages) + 1, DRAWN)
        column = drawn[_products(lightest, drawn[:, None]).sum(axis=1).argmax()]
        changed = without + _products(messages, column)
        if _quality(changed) >= _quality(weights):
            weights, columns[place] = changed, column
    return columns


def _products(messages: Columns, columns: Any) -> Columns:
    """The products modulo 2 of messages and columns, as integers of bits, 0 or 1."""
    return (np.bitwise_count(messages & columns) & 1).astype(np.int64)


def _quality(weights: Columns) -> tuple[int, int]:
    """The least weight, and the number of words that have it, negative: more is better."""
    least = weights.min()
    return int(least), -int((weights == least).sum())


def greedy_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """Random codes, each the draw out of TRIES that is farthest from its nearest predecessor.

    Raises Unsuitable: there are more classes than codes of that length.
    """
    _check_room(classes, bits)
    chosen = np.empty((classes, bits), np.float32)
    for number in range(classes):
        draws = (rng.integers(0, 2, (TRIES, bits)) * 2 - 1).astype(np.float32)
        nearest = (chosen[:number] @ draws.T).max(axis=0, initial=-bits)
        chosen[number] = draws[nearest.argmin()]
    if len(np.unique(chosen, axis=0)) == classes:
        return chosen
    # The draws repeat because there are so many classes: all codes are sampled without repetition.
    numbers = rng.choice(2**bits, classes, replace=False)
    return _signs(numbers[:, None] >> np.arange(bits) & 1)


def bernoulli_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """Each bit by itself."""
    return _signs(rng.integers(0, 2, (classes, bits)))


def balanced_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """Half of the bits of each code are 1, rounded down."""
    return _signs(rng.permuted(np.tile(np.arange(bits) < bits // 2, (classes, 1)), axis=1))


def hadamard_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """CSQ's hash centres: rows of a Hadamard matrix and their negatives, or else each bit by itself."""
    return _hadamard(classes, bits, rng, bernoulli_codebook)


def hadamard_greedy_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """CSQ's hash centres, and greedy codes where there is no matrix.

    Raises Unsuitable: there is none, and there are more classes than codes of that length.
    """
    return _hadamard(classes, bits, rng, greedy_codebook)


def fish_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """FISH's codes: min ||L - U V||^2 + delta ||B - R V||^2 over U, V, rotations R and signs B, in turns.

    L is the identity here, an item of each class. The published code has a column for each train item and starts from
    random ones, so that a few items may end with another code than the rest of their class.
    """
    factor = rng.standard_normal((bits, classes))
    codes = np.sign(rng.standard_normal((bits, classes)))
    for _ in range(FISH_ROUNDS):
        left, _, right = np.linalg.svd(codes @ factor.T)
        rotation = left @ right
        codes = np.where(rotation @ factor >= 0, 1.0, -1.0)
        bases = np.linalg.pinv(factor)
        wanted = bases.T + FISH_DELTA * rotation.T @ codes
        factor = np.linalg.solve(bases.T @ bases + FISH_DELTA * np.eye(bits), wanted)
    return codes.T.astype(np.float32)


def label_net_codebook(classes: int, bits: int, rng: np.random.Generator) -> Float:
    """PSLDH's codes: the signs of a network of one hidden layer, which sees the classes as unit vectors.

    Its loss wants no pair of classes to agree in more bits than not, all bits to be balanced, and outputs near ±1. By
    its rate and length the codes stay about as far apart as random ones.
    """
    import torch

    def layer(rows: int, columns: int, inputs: int) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(-(inputs**-0.5), inputs**-0.5, (rows, columns))).requires_grad_()

    # A unit vector picks a row of the first weights.
    first = [layer(classes, NET_WIDTH, classes), layer(1, NET_WIDTH, classes)]
    layers = [*first, layer(NET_WIDTH, bits, NET_WIDTH), layer(1, bits, NET_WIDTH)]
    optimizer = torch.optim.SGD(layers, lr=NET_RATE, weight_decay=NET_DECAY)
    same = bits * torch.eye(classes, dtype=torch.float64)
    for step in range(NET_STEPS):
        optimizer.param_groups[0]["lr"] = NET_RATE * (0.1 if step >= NET_STEPS // 2 else 1.0)
        codes = _label_net(layers)
        apart = torch.relu(codes @ codes.T - same).square().mean()
        balance = codes.sum(dim=0).square().sum() / classes
        distance = (codes.detach().sign() - codes).square().sum() / classes
        optimizer.zero_grad()
        (apart + NET_BALANCE * balance + NET_QUANTISATION * distance).backward()
        optimizer.step()
    return _signs(_label_net(layers).detach().numpy() >= 0)


def _label_net(layers: Any) -> Any:
    weights, bias, last, last_bias = layers
    return ((weights + bias).relu() @ last + last_bias).tanh()


def _hadamard(classes: int, bits: int, rng: np.random.Generator, otherwise: Draw) -> Float:
    if bits & (bits - 1) or classes > 2 * bits:
        return otherwise(classes, bits, rng)
    from scipy.linalg import hadamard

    rows = hadamard(bits).astype(np.float32)
    return np.concatenate([rows, -rows])[:classes]


def _check_room(classes: int, bits: int) -> None:
    if bits < 31 and classes > 2**bits:
        raise Unsuitable(f"bits={bits}: {classes} classes need {classes} codes, there are {2**bits}")


def _signs(bits: NDArray[Any]) -> Float:
    """0 and 1 as -1 and +1."""
    return (2 * bits.astype(np.float32) - 1).astype(np.float32)


DRAWS: Mapping[CodebookName, Draw] = {
    "linear": linear_codebook,
    "greedy": greedy_codebook,
    "bernoulli": bernoulli_codebook,
    "balanced": balanced_codebook,
    "hadamard": hadamard_codebook,
    "hadamard_greedy": hadamard_greedy_codebook,
    "fish": fish_codebook,
    "label_net": label_net_codebook,
}
