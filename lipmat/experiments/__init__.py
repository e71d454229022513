"""Laboratory data and fitting; knows no finite elements."""
