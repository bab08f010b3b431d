"""Write what the example has of others: honest names out of Debian's index of packages, names of packages, dgaintel's network in int8.

    apt-get update
    pip install --no-deps dgaintel==2.3
    pip install ".[convert]"
    python examples/attack/prepare.py          (on Debian)

Of the package dgaintel nothing but the network's file is used.
"""

import re
import subprocess
from dataclasses import replace
from importlib import metadata

import domains
import numpy as np

import edgelstm as el

SEED = 7

#: How many names of packages are kept.
PACKAGES = 5000

#: A home page whose host is a name and an ending, perhaps behind www.
PAGE = re.compile(r"^Homepage: *<?https?://(?:www\.)?([a-z0-9-]+)\.[a-z]+(?=[/:>]|$)", re.MULTILINE | re.IGNORECASE)


def honest() -> list[str]:
    """Names of home pages, each once, in an order drawn by the seed."""
    index = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    names = sorted({name.lower() for name in PAGE.findall(index)})
    return [names[at] for at in np.random.default_rng(SEED).permutation(len(names))]


def packages() -> list[str]:
    """Names of packages, drawn by the seed, that are long enough for a domain."""
    told = subprocess.run(["apt-cache", "pkgnames"], check=True, capture_output=True, text=True).stdout
    names = sorted({name for name in told.split() if re.fullmatch(r"[a-z0-9-]{5,24}", name)})
    return [names[at] for at in np.random.default_rng(SEED).permutation(len(names))[:PACKAGES]]


def small(network: el.Model) -> el.Model:
    """dgaintel's network with weights in int8.

    What stands before its pooling and what stands behind are made small apart: the one takes two steps for one of the other.
    """
    embedding, convolution, relu, pool, lstm, last, dense, sigmoid = network.layers
    names = [domains.padded(name)[:, None] for name in domains.read_honest()[0][:200]]
    front = el.quantize(el.Model([embedding, convolution, relu]), names, scheme="int8-weight")
    stream, pooled = el.Stream(el.Model([embedding, convolution, relu, pool])), []
    for name in names:
        stream.reset()
        pooled.append(stream.process(name))  # (41, 128)
    alone = el.Model([replace(lstm, inputs=("input",)), replace(dense, inputs=(lstm.name,))])
    back = el.quantize(alone, pooled, scheme="int8-weight").layers
    joined = replace(back[0], inputs=lstm.inputs), last, replace(back[1], inputs=dense.inputs), sigmoid
    return el.Model([*front.layers, pool, *joined], source="dgaintel 2.3, MIT licence, Copyright (c) Rushil Mallarapu")


def main() -> None:
    domains.HONEST.write_text("\n".join(honest()) + "\n", encoding="utf-8")
    domains.PACKAGES.write_text("\n".join(packages()) + "\n", encoding="utf-8")
    file = metadata.distribution("dgaintel").locate_file("dgaintel/domain_classifier_model.h5")
    el.save(small(el.load(str(file))), domains.DGAINTEL)
    print(f"{domains.DGAINTEL.name}: {domains.DGAINTEL.stat().st_size} bytes")


if __name__ == "__main__":
    main()
