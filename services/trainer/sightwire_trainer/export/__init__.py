"""Makes ONNX graphs and complete model bundles of a trained model."""
