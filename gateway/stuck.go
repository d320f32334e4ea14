package gateway

import (
	"multinode"
	"multinode/streams/index"
)

// maxFamily bounds how many descendants are looked at to answer one question.
// Where that is not enough the answer is that nothing is known.
const maxFamily = 2000

// stuckOnItself tells whether every slot of the function is held by an invocation
// with a descendant of the same function in line for one, itself started or
// through other functions. If they await their children none of them ends.
func (g *Gateway) stuckOnItself(k multinode.InvocationKey, slots int) (bool, error) {
	holders, err := g.index.Holders(k.Project, k.Generation, k.Function, slots)
	if err != nil || len(holders) == 0 || len(holders) < slots {
		return false, err
	}
	f := family{index: g.index, function: k.Function, left: maxFamily}
	for _, h := range holders {
		if waits, err := f.waits(h.Key, multinode.MaxDepth); err != nil || !waits {
			return false, err
		}
	}
	return true, nil
}

// family looks among descendants for some of a function that are in line.
type family struct {
	index    *index.Index
	function string
	// left is how many more may be looked at.
	left int
}

// waits tells whether a descendant of the invocation is in line. What has ended
// is awaited no more. The newest children come first, and they are in line if
// any is.
func (f *family) waits(k multinode.InvocationKey, depth int) (found bool, err error) {
	var inner error
	err = f.index.EachChild(k, func(child index.Entry) bool {
		if f.left--; f.left < 0 {
			return false
		}
		switch {
		case child.Status.Terminal():
		case child.Key.Function == f.function && !child.HasSlot:
			found = true
		case depth > 1:
			found, inner = f.waits(child.Key, depth-1)
		}
		return !found && inner == nil
	})
	if err == nil {
		err = inner
	}
	return found, err
}
