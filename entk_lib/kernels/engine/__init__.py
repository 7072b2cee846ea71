"""How a kernel is computed, exactly and in bounded memory; `kernels` is its only user.

One call, `empirical_ntk(model, x)`, walks through the files of this folder in this order::

    model, x
      |
    problem     what is asked: parameters, outputs, layers, all checked
      |
    record      a few samples are run; every use of a parameter is written down
      |
    recognise   uses that a rule of `layer_rules` knows are named
      |
    prove       each rule must reproduce autograd's gradient, or autodiff takes over
      |
    plan        for each parameter the cheapest exact way, by predicted cost
      |
    harvest     a batch of samples in, its `factors` out
      |
    contract    factors, block by block, are multiplied into the kernel
      |
    assemble    outputs part by part; the last linear map apart, by `head` and `head_rows`

`layer_rules` says what a linear layer, a convolution or an embedding does with its
parameter, `steps` runs what is made of several such layers one by one, `factors` how two
batches' parts make a piece of the kernel, `autodiff` is the way where no rule holds,
`convolve` a faster backward pass of some convolutions, `wrappers` run a model in half
precision in float32, `predict` and `explain` tell what all of it costs.
"""

from entk_lib.kernels.engine.assemble import kernel_matrices, kernel_trace
from entk_lib.kernels.engine.contract import WORKING_BYTES
from entk_lib.kernels.engine.cut import ReachedError
from entk_lib.kernels.engine.explain import KernelPlan, explain_plan
from entk_lib.kernels.engine.harvest import harvest_jacobians
from entk_lib.kernels.engine.head import find_head
from entk_lib.kernels.engine.plan import ParameterPlan, make_plan
from entk_lib.kernels.engine.predict import SURELY_SHORT, multiply_adds_per_second
from entk_lib.kernels.engine.problem import (
    Problem,
    check_second,
    prepare,
    require_symmetric,
)
from entk_lib.kernels.engine.prove import Structure, first_that_holds, prove_rules
from entk_lib.kernels.engine.record import ChangedError
from entk_lib.kernels.engine.wrappers import SameNames, Wide

__all__ = [
    "SURELY_SHORT",
    "WORKING_BYTES",
    "ChangedError",
    "KernelPlan",
    "ParameterPlan",
    "Problem",
    "ReachedError",
    "SameNames",
    "Structure",
    "Wide",
    "check_second",
    "explain_plan",
    "find_head",
    "first_that_holds",
    "harvest_jacobians",
    "kernel_matrices",
    "kernel_trace",
    "make_plan",
    "multiply_adds_per_second",
    "prepare",
    "prove_rules",
    "require_symmetric",
]
