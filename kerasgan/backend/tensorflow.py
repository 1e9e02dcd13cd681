"""The seam for TensorFlow; see `kerasgan.backend`."""

import functools
import operator
import warnings

import keras
import tensorflow as tf

from kerasgan import onednn
from kerasgan.backend import private
from kerasgan.backend.common import binomial  # noqa: F401

if onednn.is_missed(private.uses_onednn()):
    warnings.warn(
        "TensorFlow was imported before kerasgan and does not use oneDNN, so convolutions take up "
        "to twice as long; import kerasgan first, or set the environment variable "
        f"{onednn.VARIABLE} to 1. To keep oneDNN off without this warning, set it to 0.",
        stacklevel=2,
    )


def computed_with():
    """What the last bits of a result depend on, besides the machine and kerasgan: a dict."""
    return {"tensorflow": tf.__version__, "oneDNN": "on" if private.uses_onednn() else "off"}


@functools.cache
def add_in_order():
    """Has every sum in a graph that is made from now on added up in one order.

    Sums of more than two tensors make TensorFlow's AddN. It begins with the first of its inputs
    whose memory nobody else needs any more, and which one that is depends on how far other threads
    have come: equal trainings end with other last bits, some of the time and on a busy machine
    more often. `tf.config.experimental.enable_op_determinism` does not change that. So gradients
    are added up two by two, where the order does not matter, and the arithmetic optimizer, which
    would make one AddN of them, is off unless the user has set it.
    """
    if "arithmetic_optimization" not in tf.config.optimizer.get_experimental_options():
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    private.change_adding_up(_by_two)


def _by_two(add_up):
    def aggregate(gradients):
        if len(gradients) > 2 and all(isinstance(g, tf.Tensor) for g in gradients):
            return functools.reduce(operator.add, gradients)
        return add_up(gradients)

    return aggregate


class Trainer:
    """Lets Keras' trainer run on several machines, and makes its steps deterministic.

    `fit` of Keras 3.15 fails under `MultiWorkerMirroredStrategy` in two places, also for a plain
    compiled model (keras-team/keras#20585).
    """

    @property
    def is_chief(self):
        """Whether this process is the one of its cluster that writes files."""
        resolver = getattr(self.distribute_strategy, "cluster_resolver", None)
        if resolver is None or not resolver.task_type:
            return True
        if "chief" in resolver.cluster_spec().jobs:
            return resolver.task_type == "chief"
        return (resolver.task_type, resolver.task_id) == ("worker", 0)

    @property
    def has_several_workers(self):
        """Whether other processes of a cluster train the same model."""
        return isinstance(self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: our networks are built. Keras' own cannot read a distributed batch."""

    def _make_function(self, step_function):
        add_in_order()

        # Keras averages the logs over the workers along their first axis, and ours have none.
        def step(data):
            return keras.tree.map_structure(lambda log: tf.expand_dims(log, 0), step_function(data))

        return super()._make_function(step if self.has_several_workers else step_function)


class SeedGenerator(keras.random.SeedGenerator):
    """Draws other numbers on each replica of a strategy, where Keras' own draws the same."""

    def next(self, ordered=True):
        seed = super().next(ordered)
        context = tf.distribute.get_replica_context()
        if context is None or not is_distributed():
            return seed
        replica = tf.cast(context.replica_id_in_sync_group, seed.dtype)
        return seed + tf.stack([1_000_003 * replica, tf.zeros_like(replica)])


def update(loss_fn, variables, optimizer, forwarded=None):
    """Moves one player: a gradient step on `loss_fn` with respect to `variables`.

    Args:
        loss_fn: function that returns `(loss, logs)`: the scalar mean loss of this replica's
            batch, and anything else that is worth returning. It takes no argument, or with
            `forwarded` the output of that forward pass.
        variables: list of `keras.Variable`; nothing else receives a gradient.
        optimizer: a built `keras.optimizers.Optimizer`.
        forwarded: what `forward` returned for the same `variables`. The gradient is then taken
            at that output and pulled back, so the forward pass is not run again.

    Returns:
        The `(loss, logs)` of `loss_fn`, unscaled.
    """
    at = [v.value for v in variables] if forwarded is None else forwarded[0]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(at)
        loss, logs = loss_fn() if forwarded is None else loss_fn(at)
        # Optimizers add up the replicas' gradients; a mean over the global batch is wanted.
        scaled = optimizer.scale_loss(loss) / replicas()
    if forwarded is None:
        gradients = tape.gradient(scaled, at)
    else:
        # A missing output gradient would be taken for ones, not zeros, by the backward's tape.
        zero = tf.UnconnectedGradients.ZERO
        gradients = forwarded[1](tape.gradient(scaled, at, unconnected_gradients=zero))
    optimizer.apply(gradients, variables)
    return loss, logs


def input_gradient(fn, x):
    """Gradient of `sum(fn(x))` with respect to `x`: the same shape as `x`, differentiable."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        y = fn(x)
    return tape.gradient(y, x)


def value_and_gradient(fn, x):
    """What a function makes of `x`, and how its first result changes with it.

    Args:
        fn: function of `x` to a pair of tensors, or structures of them; the gradient is that of the
            sum of the first.
        x: tensor.

    Returns:
        The second result of `fn`, and d sum(fn(x)[0]) / dx, which is zero where there is no way to
        `x`, and is not differentiable.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        y, values = fn(x)
    return values, tape.gradient(y, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def forward(fn, variables):
    """Runs `fn()` once, so that gradients can be pulled back through it later.

    Args:
        fn: function without arguments that returns a tensor or a structure of tensors.
        variables: list of `keras.Variable` that `fn` depends on.

    Returns:
        `(output, backward)`. `backward(gradient)` turns the gradient of a loss with respect to
        `output` into the list of its gradients with respect to `variables`. It may be called
        once, and the variables must not have changed since, or it would not be their gradient.
    """
    values = [v.value for v in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        output = fn()

    def backward(gradient):
        return tape.gradient(output, values, output_gradients=gradient)

    return output, backward


def scan(step, carry, inputs, dtypes):
    """A loop over the first axis of arrays, as `keras.ops.scan` is under the other frameworks.

    Keras' own for TensorFlow gives back nothing but what it carries.

    Args:
        step: function of what it carries and of a row of each of the inputs, to what it carries on,
            of the same shapes, and what to give back of this row.
        carry: structure of tensors.
        inputs: structure of tensors (n, ...), n known before.
        dtypes: structure of the dtypes of what it gives back.

    Returns:
        What the last step carries on, and what all steps gave back, (n, ...) each.
    """
    inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
    count = tf.nest.flatten(inputs)[0].shape[0]
    given = tf.nest.map_structure(lambda x: tf.TensorArray(x.dtype, count).unstack(x), inputs)

    def body(index, carry, found):
        carry, made = step(carry, tf.nest.map_structure(lambda array: array.read(index), given))
        found = zip(tf.nest.flatten(found), tf.nest.flatten(made), strict=True)
        found = [array.write(index, x) for array, x in found]
        return index + 1, carry, tf.nest.pack_sequence_as(dtypes, found)

    found = tf.nest.map_structure(lambda dtype: tf.TensorArray(dtype, count), dtypes)
    _, carry, found = tf.while_loop(
        lambda index, *_: index < count, body, (0, carry, found), maximum_iterations=count
    )
    return carry, tf.nest.map_structure(lambda array: array.stack(), found)


def predict(network, inputs):
    """What the network makes of a batch, as a NumPy array.

    Under a strategy `predict_on_batch` would give the batch to every replica and return it that
    many times, and under several workers wait for the others, who may have nothing to predict.
    """
    if network.distribute_strategy.num_replicas_in_sync == 1:
        return network.predict_on_batch(inputs)
    return network(inputs, training=False).numpy()


def batches_in_order(arrays, count, batch_size, order):
    """Arrays as data for `fit`, in another order in each epoch.

    Args:
        arrays: an array (count, ...), or a tuple of such.
        count: int.
        batch_size: int; the last batch is smaller if that does not divide `count`.
        order: function without arguments, called when an epoch begins, that gives the numbers of
            the rows in their order.
    """
    whole = count // batch_size * batch_size
    tensors = tf.nest.map_structure(tf.constant, arrays)  # outside of the graphs below

    def orders():
        yield order()

    def batches_of_rows(rows):
        batches = tf.data.Dataset.from_tensor_slices(tf.reshape(rows[:whole], (-1, batch_size)))
        rest = tf.data.Dataset.from_tensors(rows[whole:])
        return batches if whole == count else batches.concatenate(rest)

    def batch(rows):
        return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), tensors)

    spec = tf.TensorSpec((count,), "int64")
    data = tf.data.Dataset.from_generator(orders, output_signature=spec).flat_map(batches_of_rows)
    data = data.apply(tf.data.experimental.assert_cardinality(-(-count // batch_size)))
    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    data = data.map(batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return data.with_options(options)


def compiles_by_default():
    """On a GPU; on a CPU XLA makes convolutions slower."""
    return bool(tf.config.list_physical_devices("GPU")) and not is_distributed()


def reason_for_single_steps():
    """Why neither XLA nor several steps an execution can be had; None where they can."""
    if is_distributed():
        return "Keras fails with it under a tf.distribute strategy"
    return None


def with_xla(function):
    """A function of tensors that XLA compiles by itself, also in a step that it does not compile.

    For what is slow because it is many small operations on large arrays. Under a `tf.distribute`
    strategy it is the function as it is.

    Args:
        function: of tensors, and of ints for which it is compiled anew, written with `keras.ops`.
    """
    compiled = tf.function(function, autograph=False, jit_compile=True)

    @functools.wraps(function)
    def call(*arguments):
        return function(*arguments) if is_distributed() else compiled(*arguments)

    return call


def replicas():
    """On how many replicas, each with a part of the batch, the `tf.distribute` strategy runs."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def is_distributed():
    """Whether there are several replicas."""
    return replicas() > 1


def devices(count):
    """A scope in which models are made for, and trained on, several devices of this machine.

    Args:
        count: int, GPUs; where there is none, parts of the CPU, which is not faster but lets a
            script be tried. Call it before TensorFlow has computed anything.

    Raises:
        ValueError: when there are not so many.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus and count > len(gpus):
        raise ValueError(
            f"devices={count}, but this machine has {len(gpus)}; use at most that many."
        )
    if not gpus:
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(cpu, parts)
    names = [f"{'GPU' if gpus else 'CPU'}:{index}" for index in range(count)]
    return tf.distribute.MirroredStrategy(names).scope()


def accelerate(optimizer):
    """Lets an Adam optimizer use TensorFlow's own kernel for it.

    Keras writes Adam's update as some 25 operations a variable, which is half of all the
    operations in the step of a small GAN and reads a large one's weights ten times over. The
    kernel does the same arithmetic in one. Whatever else the optimizer does (clipping, weight
    decay, loss scaling, averages) stays with Keras, and so does its state.
    """
    if type(optimizer) is not keras.optimizers.Adam or optimizer.amsgrad:
        return
    keras_update_step = optimizer.update_step

    def update_step(gradient, variable, learning_rate):
        if isinstance(gradient, tf.IndexedSlices):
            return keras_update_step(gradient, variable, learning_rate)
        momentum, velocity = private.adam_moments(optimizer, variable)
        dtype = variable.dtype
        step = tf.cast(optimizer.iterations + 1, dtype)
        return tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(momentum),
            v=_handle(velocity),
            beta1_power=tf.pow(tf.cast(optimizer.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(optimizer.beta_2, dtype), step),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(optimizer.beta_1, dtype),
            beta2=tf.cast(optimizer.beta_2, dtype),
            epsilon=tf.cast(optimizer.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    optimizer.update_step = update_step


def _handle(variable):
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
