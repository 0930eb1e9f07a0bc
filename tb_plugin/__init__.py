"""The TensorBoard side of adamax-tb: serves the "Optimizer health" tab. Never imports TensorFlow or Keras."""
