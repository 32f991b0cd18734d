"""What reports show, computed from the record and the rows of `samples.csv`; nothing here draws."""
