"""One process of `bench train` of the peer: the same network in Keras 3 on TensorFlow, float32."""

import json
import os
import resource
import time

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from keras import layers

tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
keras.utils.set_random_seed(0)


def crnn2d():
    x = clips = keras.Input((128, frames, 1))
    x = layers.BatchNormalization(axis=1)(x)
    for filters, pool in [(64, (2, 2)), (128, (4, 2)), (128, (4, 2)), (128, (4, 2))]:
        x = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.ELU()(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(pool)(x)
        x = layers.Dropout(0.1)(x)
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((x.shape[1], -1))(x)
    x = layers.GRU(32, return_sequences=True)(x)
    x = layers.GRU(32)(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(clips, layers.Dense(20)(x))


network = crnn2d()
adam = keras.optimizers.Adam(1e-3)
adam.build(network.trainable_variables)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
x = tf.random.normal((batch, 128, frames, 1)) * 15 - 40
targets = tf.range(batch) % 20


# Not by XLA, which makes this step several times slower.
@tf.function
def train_step(x, targets):
    with tf.GradientTape() as tape:
        loss = cross_entropy(targets, network(x, training=True))
    adam.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)
    return loss


def predict_step(by_xla):
    return tf.function(lambda x: tf.nn.softmax(network(x, training=False)), jit_compile=by_xla)


def milliseconds(function, *arguments):
    started = time.perf_counter()
    function(*arguments).numpy()
    return (time.perf_counter() - started) * 1e3


def faster(functions, *arguments):
    for function in functions:
        milliseconds(function, *arguments)  # compiles it
    return min(functions, key=lambda function: milliseconds(function, *arguments))


train_ms = times(lambda: milliseconds(train_step, x, targets))
peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
predict = faster([predict_step(by_xla) for by_xla in (False, True)], x)
infer_ms = times(lambda: milliseconds(predict, x))
version = f"{keras.__version__} tensorflow {tf.__version__}"
print(json.dumps(dict(train_ms=train_ms, infer_ms=infer_ms, peak_mib=peak_mib, version=version)))
