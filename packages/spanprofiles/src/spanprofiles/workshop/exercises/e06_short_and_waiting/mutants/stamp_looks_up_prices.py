"""The post office, where a stamp is printed at once, and its price looked up for as long as printing took."""

import post_office


def look_up_price(pages):
    price = 0
    for page in range(pages):
        price = (price * 13 + page) % 1_000_003
    return price


def stamp():
    return {"ink": post_office.print_stamp(10), "price": look_up_price(100_000)}


post_office.app.view_functions["stamp"] = stamp
post_office.main()
