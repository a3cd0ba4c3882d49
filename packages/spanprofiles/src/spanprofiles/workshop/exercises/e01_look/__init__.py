"""One slow ride among many: which function made it slow?"""
