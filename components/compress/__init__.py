"""The node `compress`: tries chains of compression methods and takes the best within the budget."""
