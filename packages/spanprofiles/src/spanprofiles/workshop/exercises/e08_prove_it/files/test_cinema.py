"""What must be true of selling tickets, in every cinema that is in order."""


def test_tickets_are_sold(cinema):
    assert cinema.get("/tickets").ok
