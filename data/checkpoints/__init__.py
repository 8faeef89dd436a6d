"""What reads the model files that other people publish: config, weights, adapters, tokenizer, hub."""
