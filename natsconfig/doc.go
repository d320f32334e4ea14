// Package natsconfig writes what stock nats-servers need to hold the system's
// data, and what gateways and dispatchers need to use them: see Write.
package natsconfig
