"""The coupled estimation technique: a model of relevance and one of selection for judging, trained together."""
