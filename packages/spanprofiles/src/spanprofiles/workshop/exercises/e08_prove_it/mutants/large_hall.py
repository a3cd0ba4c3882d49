"""The mended cinema on its best day: a hall with three times the seats, and a bank that takes its time."""

import cinema

cinema.VIEWS *= 3
cinema.BANK_S *= 6
cinema.main()
