"""From scores to files and aggregated rows: records, intervals, the folder of an evaluation."""
