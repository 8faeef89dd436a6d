"""The table that a run ends with, and the report on finished runs: functions of results.json.

read_runs.py, gather.py, pool.py and hand_ins.py (of a class) bring runs and files of cells into
that shape. table.py is the table of a run, report.py the report; the other files are what these two
are made of.
"""
