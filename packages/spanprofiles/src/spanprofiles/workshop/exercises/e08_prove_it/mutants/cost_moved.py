"""The cinema, where the comparison of all bookings was mended in one place and came back in another."""

import cinema


def count_guests(bookings):
    counted = []
    for booking in bookings:
        if not any(booking == earlier for earlier in counted):
            counted.append(booking)
    return len(counted)


def tickets():
    taken = count_guests(cinema.drop_double_bookings(cinema.BOOKINGS))
    seat = cinema.rate_seats(taken, cinema.VIEWS)
    cinema.pay()
    return {"seat": seat}


cinema.app.view_functions["tickets"] = tickets
cinema.main()
