// Package fleet is the pipeline: it gives each image to a process that reads it, and groups what they say.
package fleet

import (
	"time"

	"memlens/cmd/memlens-fleet/internal/walk"
)

// Options say what a run does. They are the same on every machine that takes part.
type Options struct {
	Output   string        `json:"output"`   // a folder, or s3://BUCKET/PREFIX
	Shards   int           `json:"shards"`   // of the records
	Workers  int           `json:"workers"`  // processes that read images, on each machine; 0: one more than there are processors
	Deadline time.Duration `json:"deadline"` // of each image
	Memory   int64         `json:"memory"`   // of each of these processes, in bytes
	Attempts int           `json:"attempts"` // at each image
	Pictures int           `json:"pictures"` // of the rarest files
	Walk     walk.Options  `json:"walk"`
}

// Task is an image to be read. The images of a run are numbered, in order.
type Task struct {
	Number int
	Image  string
}

// tasks numbers images that are in order.
func tasks(images []string) (out []Task) {
	for i, image := range images {
		out = append(out, Task{i, image})
	}
	return out
}

// shardOf returns in which shard the records of an image are, of a run of n images: each has as many as the next, in order.
func (o *Options) shardOf(number, n int) int { return number * o.Shards / n }

// perShard is how many images there are in a shard, where nothing else is asked for.
const perShard = 32

// DefaultShards returns in how many shards the records of n images are.
func DefaultShards(n int) int { return max(1, (n+perShard-1)/perShard) }
