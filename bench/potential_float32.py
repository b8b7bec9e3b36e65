# SPDX-License-Identifier: BSD-3-Clause
"""potential_float32.py IN.pb OUT.pb: the same model with nets in float32, for DeePMD-kit (runs in its environment).
Weights are rounded, and `precision` says so; statistics and the sum of energies stay double."""
import json
import sys

import numpy
import tensorflow
from deepmd.tf.utils.serialization import deserialize_to_file, serialize_from_file


def single(tree, inside_net=False):
    """Rounds every array below a list `networks`, renames every precision."""
    if isinstance(tree, list):
        return [single(item, inside_net) for item in tree]
    if isinstance(tree, dict):
        return {key: "float32" if key == "precision" else single(value, inside_net or key == "networks")
                for key, value in tree.items()}
    if inside_net and isinstance(tree, numpy.ndarray) and tree.dtype == numpy.float64:
        return tree.astype(numpy.float32)
    return tree


def complete_script(path):
    """`dp compress` refuses a converted model, whose script has no learning rate: it gets one, which nobody uses."""
    graph = tensorflow.compat.v1.GraphDef()
    with open(path, "rb") as file:
        graph.ParseFromString(file.read())
    for node in graph.node:
        if node.name == "train_attr/training_script":
            script = json.loads(node.attr["value"].tensor.string_val[0])
            script["learning_rate"] = {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-8, "decay_steps": 1}
            node.attr["value"].tensor.string_val[0] = json.dumps(script).encode()
    with open(path, "wb") as file:
        file.write(graph.SerializeToString())


deserialize_to_file(sys.argv[2], single(serialize_from_file(sys.argv[1])))
complete_script(sys.argv[2])
