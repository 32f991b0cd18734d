"""What transfer matrices mean: an order in which families stand together, and sentences that the numbers bear."""
