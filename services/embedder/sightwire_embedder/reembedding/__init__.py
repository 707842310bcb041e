"""Items that other copies of a collection are to have: from REEMBED, when there is nothing better to do."""
