"""What the documentation promises of reliability, tried as often as it says: ``make prove``.

Each row of the table has a module or a function here. The tests of pytest try the same in small;
these take long, and print how many attempts were made and how many passed.
"""
