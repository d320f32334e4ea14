// Package hostile_test plays workers that mean ill, against the whole system:
// NATS, gateway and dispatcher are real, and the credentials and API keys are
// those that the dispatcher makes for an execution that runs. User code has all
// of them: it runs as the worker does.
//
// What one connection may do at all is tested in embedded; who may ask the API
// for what in gateway.
//
// A worker may, on purpose, act within its own project over REST: see what is
// there, start invocations and cancel them, as its code does for subtasks.
package hostile_test
