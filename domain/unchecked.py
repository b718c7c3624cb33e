"""Named tuples made without checks: `new_unchecked(Fact, (data, audience, type, subject, task))`, all members in order.

A named tuple's own constructor is a Python function behind a slot, and takes more than twice as long. That matters
where a handful of them is made for each of many thousands of commands a second, and nowhere else: nothing here looks
whether all members are there.
"""

new_unchecked = tuple.__new__
