"""What a quantised model costs: figures, evidence, verdict, and a page that shows them."""
