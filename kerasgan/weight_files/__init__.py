"""Files of weights, read as data: nothing that a file says is executed."""

from kerasgan.weight_files.pickles import Record
from kerasgan.weight_files.torch_files import read_tensors, read_tree
from kerasgan.weight_files.trees import check_tensors, module_tensors

__all__ = ["Record", "check_tensors", "module_tensors", "read_tensors", "read_tree"]
