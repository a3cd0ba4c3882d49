"""The post office, where a letter is weighed on a thread of its own, to which no label follows."""

from threading import Thread

import post_office


def weigh_letter():
    for _ in range(4):
        post_office.weigh(600_000)


def letter():
    helper = Thread(target=weigh_letter)
    helper.start()
    helper.join()
    return {"taken": True}


post_office.app.view_functions["letter"] = letter
post_office.main()
