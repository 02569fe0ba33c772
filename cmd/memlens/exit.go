package main

// exitStatuses are the statuses with which the program ends, for documents: of any command where none is named.
var exitStatuses = []struct{ of, status, means string }{
	{"", "0", "all was done"},
	{"", "1", "it could not be done, or not all of it: standard error says why"},
	{"report", "3", "an image could not be opened, or not read to its end: its problem record says why"},
	{"mount", "126, 127", "the command behind -- cannot be run, or does not exist"},
	{"mount", "128 + n", "the command behind -- was ended by the signal n"},
	{"mount", "any other", "the status of the command behind --"},
}
