"""Who may ask for what: tokens, keys, rates, producers and operators."""
