"""How fast labctl is beside what people use today: see the README beside this file.

::

    __main__ ─ installing, worldrun       prepare the host, then go on inside a world of the testbed
       rows/*                             one module a row of the table: nodes, contenders, checks
         peers, lab, witness              the same work for each; the proof that it was done
       harness ─ measuring ─ results      who runs when; one run; every sample, as JSON
       figures ─ table, plot              the JSON as docs/performance.md and as a picture
"""
