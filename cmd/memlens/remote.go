package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/pflag"

	"memlens/memimage"
	"memlens/memimage/remote"
)

// urlHelp is the help's text about the places of images.
const urlHelp = `IMAGE is a file; or -, which is standard input, copied to a temporary file first; or a URL: https://SERVER/PATH of a server that
serves ranges, or s3://BUCKET/KEY with the credentials that Amazon's tools would use. Of a URL, only the parts that are needed are read.`

// defaultCacheMiB is the bound of the folder of blocks when the user gives none.
const defaultCacheMiB = 8192

// remoteFlags say how to reach images at URLs.
type remoteFlags struct {
	endpoint, region string
	cache            string
	cacheMiB         int64
}

func (o *remoteFlags) add(f *pflag.FlagSet) {
	f.StringVar(&o.endpoint, "s3-endpoint", "", "the `URL` of the server of s3:// images, where it is not Amazon's (AWS_ENDPOINT_URL_S3)")
	f.StringVar(&o.region, "s3-region", "", "the `region` of the bucket of s3:// images (AWS_REGION; else the profile's, or the region that the server names)")
	f.StringVar(&o.cache, "cache", "", "a `folder` that keeps the blocks that were read of remote images, for the next run")
	f.Int64Var(&o.cacheMiB, "cache-size", defaultCacheMiB, "the largest size of that folder, in `MiB`")
}

// options translates the flags.
func (o *remoteFlags) options(b *bars) (remote.Options, error) {
	if o.cacheMiB < 1 || o.cacheMiB > 1<<40 {
		return remote.Options{}, fmt.Errorf("--cache-size is a number of MiB from 1 on, not %d", o.cacheMiB)
	}
	return remote.Options{Endpoint: o.endpoint, Region: o.region, CacheDir: o.cache, CacheBytes: o.cacheMiB << 20, Warn: func(s string) {
		fmt.Fprintln(b, "memlens: --cache:", plain(s))
	}}, nil
}

// logTraffic logs what was read of a remote image up to now.
func logTraffic(im *memimage.Image, now string) {
	if t := im.Traffic(); t.Requests > 0 {
		slog.Debug(now, "requests", t.Requests, "bytes", t.Bytes)
	}
}
