"""The rules of telling: what is said, to whom, on which channel, in which language, and when. Pure.

| module | its subject |
|---|---|
| `rules` | the notifier's section of a program, as the rest of the domain reads it |
| `quiet` | quiet hours, correct across midnight and the change of the clock |
| `languages` | which of the languages there are is nearest to a member's |
| `members` | contact data, and what a member agreed to |
| `messages` | a message and its states |
| `facts` | what an event means in words: the facts that a template may use |
| `telling` | from an event to messages |
| `sending` | what to do with a message that is due; when to try again |
| `book` | the rows of a batch in memory |

What a newcomer would get wrong: a message keeps facts, not text. The text is made when it is read or sent, in the
language the member has by then.
"""
