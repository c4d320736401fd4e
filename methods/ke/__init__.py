"""KnowledgeEditor: a conditioned network that gates a gradient."""
