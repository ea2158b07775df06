"""What is found on samples: what a representation knows of the templates of a task."""
