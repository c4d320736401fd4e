"""Files that a user begins with: a package with an editor, a repository of results."""
