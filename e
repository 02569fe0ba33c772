memlens: 1 of 1 images could not be opened or read to the end: their problem records say why
