"""The table that a run ends with, and the report on finished runs: functions of results.json.

table.py          the table, and the lines under it; a new column is an entry of `columns_of`
paper.py          the paper's three tables in our figures
report.py         the report's sections; changed_items.py and pictures.py are the long ones
figures.py        what matplotlib draws
intervals.py      scores of groups of cells, their differences, and 95 % intervals
rates.py          which learning rate each method gets
read_runs.py      runs from folders; gather.py: from files of cells; pool.py: several as one
text.py           words for numbers, tables of texts
"""
