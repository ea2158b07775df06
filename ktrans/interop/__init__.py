"""Other people's libraries, made to work with ours; never needed at run time."""
