"""The packaged ensemble and its members as ONNX files."""
