"""llama.cpp's converter from safetensors to GGUF, with tokenizers recognized by what they do."""
