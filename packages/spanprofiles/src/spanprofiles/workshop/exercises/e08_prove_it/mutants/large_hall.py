"""The mended cinema on its best day: a hall with six times the seats, and a bank that takes its time.

It uses more CPU than the broken cinema: a fixed number of milliseconds cannot tell the two apart.
"""

import cinema

cinema.VIEWS *= 6
cinema.BANK_S *= 4
cinema.main()
