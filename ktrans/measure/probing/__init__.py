"""What a representation knows of the templates of a task: strings, features, statistics, a test."""
