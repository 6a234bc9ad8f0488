"""The Kafka door: reads batches, lets a service handle each in one transaction, and remembers where it stands.

| module | its job |
|---|---|
| `records` | what came from Kafka, and what a service makes of a batch |
| `positions` | the next offset of each partition, in Postgres, with the fence |
| `inbox` | the same event takes effect once |
| `dead_letters` | what was refused for good, and the limit on it |
| `batch` | one transaction: positions, inbox, the service's effects, outbox, dead letters |
| `lanes` | fetches the partitions of one lane and keeps to its positions |
| `consumer` | the consumer group, its rebalances, the lanes and the watchdog |
| `lag` | how far behind the service is |

What a newcomer would get wrong: Kafka's committed offset is only a hint for lag monitors. The truth is the row in
`position`, written in the same transaction as the effects.
"""
