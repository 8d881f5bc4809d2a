"""Plan, extract, score, records: from folders of videos to numbers with intervals."""
