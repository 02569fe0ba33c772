// Package fleet is the pipeline: it gives each image to a process that reads it, and groups the results.
package fleet

import (
	"time"

	"memlens/cmd/memlens-fleet/internal/walk"
)

// Options are the settings of a run. They are the same on every machine that takes part.
type Options struct {
	Output   string        `json:"output"`   // a folder, or s3://BUCKET/PREFIX
	Shards   int           `json:"shards"`   // number of files for the records
	Workers  int           `json:"workers"`  // processes that read images, on each machine; 0: one more than there are processors
	Deadline time.Duration `json:"deadline"` // for each image
	Memory   int64         `json:"memory"`   // for each such process, in bytes
	Attempts int           `json:"attempts"` // to read each image
	Pictures int           `json:"pictures"` // how many of the rarest files get a picture
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

// shardOf returns the number of the shard for the records of an image, in a run of n images: the images are divided
// evenly, in order.
func (o *Options) shardOf(number, n int) int { return number * o.Shards / n }

// perShard is the default number of images in a shard.
const perShard = 32

// DefaultShards returns the default number of shards for n images.
func DefaultShards(n int) int { return max(1, (n+perShard-1)/perShard) }
