"""The node `augment`: writes augmented copies of the train split."""
