"""The post office, where a letter is weighed for as long as the courier would have taken."""

import post_office


def letter():
    for _ in range(4):
        post_office.weigh(600_000)
    return {"taken": True}


post_office.app.view_functions["letter"] = letter
post_office.main()
