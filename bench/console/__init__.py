"""What the console's search costs and how long it takes, with millions of outcomes; and a page that looks on."""
