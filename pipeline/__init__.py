"""The command line, the experiment file, the graph of nodes, the runners and the report.

It may import everything below it: `components` and `data`. No node and no model is implemented here.
"""
