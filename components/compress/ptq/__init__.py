"""Post-training quantization, shared by the methods that export a flatbuffer."""
