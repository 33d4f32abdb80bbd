"""What clients see of each fault, and whether anything is lost or wrong afterwards."""
