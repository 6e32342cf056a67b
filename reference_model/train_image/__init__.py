"""How the image model is made: pictures, captions, tokenizer, decoder, denoiser, suite."""
