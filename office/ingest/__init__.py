"""Events from the gates, into the office's database: each once, in order, proven.

    unfold      compressed lines, with a bound on what they may unfold to
    line        what of an event's line becomes a column
    opened      a message opened and hashed; opener does that ahead of the database
    checked     and against its gate's key
    intake      the rules: signatures, order, epochs, forks; one transaction a batch
    subscriber  the MQTT session; knows nothing of events
    worker      takes from the one, gives to the other, acknowledges after the commit

A broker's acknowledgement proves nothing here. A gate keeps an event until it
holds this office's signature over a head that covers it, so whatever is
dropped on the way, by a broker, a full queue or a killed ingester, comes
again by itself.
"""
