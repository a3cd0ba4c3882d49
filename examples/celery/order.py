"""Puts tasks into the queue. Run: python order.py COUNT"""

import sys

from tasks import resize_picture

for number in range(int(sys.argv[1])):
    resize_picture.delay(number)
