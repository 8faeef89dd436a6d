"""What judge.py leans on: arithmetic, SQuAD's scores, code blocks, asserts and the sandbox."""
