"""What the report stage puts on its page: facts, sheets of pictures, curves, players."""
