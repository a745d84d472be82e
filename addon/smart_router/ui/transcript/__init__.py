"""Chat requests and answers of any wire format as readable text. Pure."""
