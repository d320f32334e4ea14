package builder

import (
	"os/user"
	"strconv"
	"strings"

	"multinode/images"
)

// ownerOf returns the number of the user whom the project belongs to: who it runs as.
// The build runs in the base itself, and finds its users by name.
func ownerOf(base images.Base, keepsUser bool) (int, error) {
	if !keepsUser {
		return images.User, nil
	}
	text, err := base.User()
	if err != nil || text == "" {
		return images.User, err
	}
	name, _, _ := strings.Cut(text, ":")
	if found, err := user.Lookup(name); err == nil {
		name = found.Uid
	}
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	return images.User, nil // a name that the base itself does not know: nobody's
}
