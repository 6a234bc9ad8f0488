"""A program tried on past orders, with no server at all: `python -m services.ledger simulate PROGRAM ORDERS`.

| module | its subject |
|---|---|
| `orders` | the CSV file, and what is wrong with it |
| `trial` | a program, what that which it gives is worth, and what is assumed of the customers |
| `running` | the orders, lived through by the handlers on a book in memory |
| `measuring` | the transfers of those books, added up |
| `figures` | what comes out: months, rules, members |
| `report`, `rows`, `sentences`, `numbers` | the figures of one or two programs, put into words |
| `terminal` | the report as tables |
| `page`, `plots` | the report as an HTML page, and its pictures |
| `export` | the figures for scripts |
| `command` | the command |

What a newcomer would get wrong: nothing here knows a rule of loyalty. An order is an event, the events run through the
handlers of production, and what is reported is read off the transfers that they wrote.
"""
