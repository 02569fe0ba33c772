package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"

	"memlens/cmd/memlens-fleet/internal/corpus"
)

// corpusCommand is the argument with which the program builds images to try itself on.
const corpusCommand = "corpus"

// buildCorpus builds a corpus, with the known facts about it in truth.json.
func buildCorpus(args []string) error {
	f := flag.NewFlagSet(corpusCommand, flag.ExitOnError)
	dir := f.String("dir", "corpus", "the `folder` for the images")
	n := f.Int("images", 500, "how many `images`")
	if err := f.Parse(args); err != nil {
		return err
	}
	truth, err := corpus.Build(*dir, corpus.Corpus{Images: *n})
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(truth, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(*dir, "truth.json"), append(b, '\n'), 0o666)
}
