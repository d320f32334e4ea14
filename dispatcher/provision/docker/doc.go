// Package docker is the Provisioner that runs each worker in a container of its
// own, through the API of a Docker engine (20.10 or newer).
//
// # What a container gets
//
// CPU and memory are limits that the kernel enforces; there is no swap, and what
// is written to /tmp counts as memory. A function that asks for more CPUs than the
// engine has gets all of them. An out-of-memory kill is recognised. The container
// has no capabilities and cannot gain privileges; its root is read-only, /tmp is a
// tmpfs, and the working directory of the image, where the project is, is a copy
// that goes with the container. It runs as the user that the image names, or as
// Options.User where it names none; the number of processes is limited, and an
// init reaps them. Workers share a network in which they cannot reach each other;
// they reach the host and the world beyond it.
//
// Credentials are variables of the container: who may talk to the engine reads
// them, and may do anything else to the host as well.
//
// # How a launch survives a crash
//
// The container is named after the execution, and labelled with what List needs.
// The engine refuses a second one of that name: who creates it is the one who
// starts it. A container that was created and never started is the mark of a
// launch that was cut off, or of one under way elsewhere. Launch waits for a
// moment whether it starts; then it removes that very container, which the engine
// refuses for one that runs, and creates it anew. A container that ended is never
// started again.
//
// # How an end is noticed
//
// By the engine's events. Each time their stream begins, and every minute, all
// containers are listed as well, so that nothing is lost while the stream, the
// engine or the dispatcher is down. Whether workers outlive their engine is a
// setting of the engine, its live-restore.
package docker
