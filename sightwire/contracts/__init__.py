"""What services say to each other and to the world: names, subjects, streams, events, schemas, filters."""
