"""The run folder: what is there, what is lacking, and what a run says of it."""
