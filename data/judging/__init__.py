"""What judge.py leans on: how answers are compared, and how a program is found in a text."""
