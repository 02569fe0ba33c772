package fleet

import (
	"context"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
)

// Register registers all functions and types with the engine. It must be called once, before [beam.Init].
func Register() {
	register.DoFn6x1[context.Context, Task, emitRecords, emitKeyed, emitKeyed, emitAccount, error](new(readImages))
	register.DoFn3x1[context.Context, int, func(*Records) bool, error](new(writeShard))
	register.DoFn3x1[string, func(*[]byte) bool, func([]byte), error](new(stackRows))
	register.DoFn3x1[string, func(*[]byte) bool, func([]byte), error](new(changeRows))
	register.DoFn4x1[context.Context, []byte, func(*[]byte) bool, func(int, []byte), error](new(writeStack))
	register.DoFn3x1[context.Context, []byte, func(*[]byte) bool, error](new(writeChanges))
	register.DoFn3x2[context.Context, int, []byte, Card, error](new(drawRarest))
	register.DoFn4x1[context.Context, []byte, []byte, func(*Card) bool, error](new(writePage))
	register.DoFn4x1[context.Context, []byte, func(*Account) bool, func([]byte), error](new(settle))
	register.Emitter2[int, Records]()
	register.Emitter2[string, []byte]()
	register.Emitter2[int, []byte]()
	register.Emitter1[Account]()
	register.Emitter1[[]byte]()
	register.Iter1[Records]()
	register.Iter1[[]byte]()
	register.Iter1[Card]()
	register.Iter1[Account]()
}

// Build builds the pipeline over images that are in order. Where all results are needed in one place, they are the
// side input of an impulse, so that the files are written even if there are no results.
func Build(s beam.Scope, images []string, o Options) {
	in, read := s.Scope("images"), s.Scope("read")
	records, sightings, changes, accounts := beam.ParDo4(read, &readImages{Options: o, Images: len(images)}, beam.Reshuffle(in, beam.CreateList(in, tasks(images))))

	beam.ParDo0(s.Scope("records"), &writeShard{o}, beam.GroupByKey(s.Scope("records"), records))

	problems := s.Scope("problems")
	summary := beam.ParDo(problems, &settle{o, len(images)}, beam.Impulse(problems), beam.SideInput{Input: accounts})

	changed := s.Scope("changes")
	same := beam.ParDo(changed, &changeRows{}, beam.GroupByKey(changed, changes))
	beam.ParDo0(changed, &writeChanges{o}, beam.Impulse(changed), beam.SideInput{Input: same})

	stacked, drawn := s.Scope("stack"), s.Scope("page")
	rows := beam.ParDo(stacked, &stackRows{}, beam.GroupByKey(stacked, sightings))
	rarest := beam.ParDo(stacked, &writeStack{o}, beam.Impulse(stacked), beam.SideInput{Input: rows})
	cards := beam.ParDo(drawn, &drawRarest{Options: o}, beam.Reshuffle(drawn, rarest))
	beam.ParDo0(drawn, &writePage{o}, beam.Impulse(drawn), beam.SideInput{Input: summary}, beam.SideInput{Input: cards})
}
