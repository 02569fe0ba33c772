package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"memlens/cmd/memlens-fleet/internal/output"
	"memlens/cmd/memlens-fleet/internal/page"
	"memlens/cmd/memlens-fleet/internal/stack"
)

// ranked is a row, with the best place to look at its file.
type ranked struct {
	Row  stack.Row   `json:"row"`
	Best stack.Place `json:"best"`
}

// stackRows makes the rows of sightings with the same key.
type stackRows struct{}

// ProcessElement makes the rows of a key.
func (f *stackRows) ProcessElement(_ string, next func(*[]byte) bool, emit func([]byte)) error {
	all, err := decodeAll[stack.Sighting](next)
	if err != nil {
		return err
	}
	for _, row := range stack.Rows(all) {
		emit(encode(ranked{row, row.Best}))
	}
	return nil
}

// writeStack writes all rows in order, and emits the rows that get a picture.
type writeStack struct{ Options Options }

// ProcessElement writes the rows.
func (f *writeStack) ProcessElement(ctx context.Context, _ []byte, next func(*[]byte) bool, emit func(int, []byte)) error {
	all, err := decodeAll[ranked](next)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b ranked) int { return stack.Compare(a.Row, b.Row) })
	rows := make([]stack.Row, len(all))
	for i := range all {
		rows[i] = all[i].Row
	}
	if err := f.Options.write(ctx, func(out *output.Folder) error { return output.WriteRows(ctx, out, "stack", rows) }); err != nil {
		return err
	}
	for i, r := range all[:min(len(all), f.Options.Pictures)] {
		emit(i, encode(r))
	}
	return nil
}

// changeRows makes the row of changes with the same key.
type changeRows struct{}

// ProcessElement makes the row of a key.
func (f *changeRows) ProcessElement(_ string, next func(*[]byte) bool, emit func([]byte)) error {
	all, err := decodeAll[stack.Changed](next)
	if err == nil {
		emit(encode(stack.ChangeRows(all)))
	}
	return err
}

// writeChanges writes all rows in order.
type writeChanges struct{ Options Options }

// ProcessElement writes the rows.
func (f *writeChanges) ProcessElement(ctx context.Context, _ []byte, next func(*[]byte) bool) error {
	rows, err := decodeAll[stack.ChangeRow](next)
	if err != nil {
		return err
	}
	slices.SortFunc(rows, stack.CompareChanges)
	return f.Options.write(ctx, func(out *output.Folder) error { return output.WriteRows(ctx, out, "changes", rows) })
}

// drawRarest draws the file of a row.
type drawRarest struct {
	Options Options
	reader  *reader
}

// Card is a row with its picture, for the page.
type Card struct {
	Rank int
	Row  []byte // of JSON
	PNG  []byte
	Why  string // why there is no picture
}

// Setup finds the processes, which start later.
func (f *drawRarest) Setup() (err error) {
	f.reader, err = shared.of(f.Options)
	return err
}

// ProcessElement draws a file.
func (f *drawRarest) ProcessElement(ctx context.Context, rank int, b []byte) (Card, error) {
	var r ranked
	if err := json.Unmarshal(b, &r); err != nil {
		return Card{}, err
	}
	picture, err := f.reader.draw(ctx, r.Best)
	if err != nil {
		return Card{}, err
	}
	return Card{rank, encode(r.Row), picture.PNG, picture.Why}, nil
}

// writePage writes the page of the rarest files.
type writePage struct{ Options Options }

// ProcessElement writes the page, which also has the summary of the run.
func (f *writePage) ProcessElement(ctx context.Context, _ []byte, summary []byte, next func(*Card) bool) error {
	var p page.Page
	if err := json.Unmarshal(summary, &p.Summary); err != nil {
		return err
	}
	var cards []Card
	for c := (Card{}); next(&c); c = (Card{}) {
		cards = append(cards, c)
	}
	slices.SortFunc(cards, func(a, b Card) int { return cmp.Compare(a.Rank, b.Rank) })
	for _, c := range cards {
		card := page.Card{PNG: c.PNG, Why: c.Why}
		if err := json.Unmarshal(c.Row, &card.Row); err != nil {
			return err
		}
		p.Cards = append(p.Cards, card)
	}
	return f.Options.write(ctx, func(out *output.Folder) error { return out.Write(ctx, "stack.html", p.Write) })
}
