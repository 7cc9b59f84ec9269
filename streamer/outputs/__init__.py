"""Files of events: JSON Lines and Parquet."""
