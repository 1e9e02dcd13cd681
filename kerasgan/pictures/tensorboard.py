"""Pictures in TensorBoard; TensorFlow writes its files under every framework."""

import tensorflow as tf


def write_image_summary(log_dir, name, image, step):
    """Writes one uint8 image (H, W, C) as a TensorBoard image summary."""
    # tf.summary.image is TensorBoard's, which need not be installed; this is what it writes.
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "images"
    height, width, _ = image.shape
    value = tf.stack([str(width), str(height), tf.io.encode_png(image)])
    with tf.summary.create_file_writer(str(log_dir)).as_default():
        tf.summary.write(name, value, step=step, metadata=metadata)
