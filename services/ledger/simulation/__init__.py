"""A program tried on past orders, with no server at all: `python -m services.ledger simulate PROGRAM ORDERS`.

| module | its subject |
|---|---|
| `orders` | the CSV file, and what is wrong with it |
| `trial` | a program, what a point is worth, and what is assumed of the customers |
| `running` | the orders, lived through by the handlers on a book in memory |
| `measuring` | the transfers of those books, added up |
| `figures` | what comes out: months, rules, members |
| `report` | the figures of one or two programs, said in words and rows |
| `terminal`, `page`, `plots` | the report as tables, and as an HTML page with pictures |
| `command` | the command |

What a newcomer would get wrong: nothing here knows a rule of loyalty. An order is an event, the events run through the
handlers of production, and what is reported is read off the transfers that they wrote.
"""
