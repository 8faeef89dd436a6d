"""The report on finished runs: intervals, tables, figures. Pure functions of results.json."""
