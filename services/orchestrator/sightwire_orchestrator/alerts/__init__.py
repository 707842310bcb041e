"""Rules on what is counted: looked at again and again, told of when they begin and cease to hold."""
