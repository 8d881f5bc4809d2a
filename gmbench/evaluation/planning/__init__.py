"""Before an evaluation: from folders and tables to pairs of clips and the work that they take."""
